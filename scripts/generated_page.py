"""A page of docs/ that a script writes: written, or with --check compared with what is committed."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def write_or_check(name: str, page: Callable[[], str], about: str | None) -> None:
    """Do what the command line of a script that writes docs/NAME asks for."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is stale")
    if not parser.parse_args().check:
        (DOCS / name).write_text(page())
    elif (DOCS / name).read_text() != page():
        sys.exit(f"docs/{name} is stale; run python {sys.argv[0]}")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown; a bar inside a cell stays one."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
