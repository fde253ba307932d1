"""Write docs/cli.md from the commands themselves, or with --check fail if it is stale."""

import argparse
import sys
from pathlib import Path

import click

from ridgeway.cli.main import ridgeway

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = 100


def page() -> str:
    """The whole page."""
    context = click.Context(ridgeway, info_name="ridgeway", terminal_width=WIDTH, max_content_width=WIDTH)
    parts = [
        "# Commands",
        "Written by `python scripts/document_cli.py` from the commands themselves.",
        "## ridgeway",
        _block(ridgeway.get_help(context)),
    ]
    for name, command in ridgeway.commands.items():
        inner = click.Context(command, info_name=name, parent=context, terminal_width=WIDTH, max_content_width=WIDTH)
        parts += [f"## ridgeway {name}", _block(command.get_help(inner))]
    return "\n\n".join(parts) + "\n"


def _block(text: str) -> str:
    return "```text\n" + "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n```"


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is stale")
    if parser.parse_args().check:
        if PAGE.read_text() != page():
            sys.exit("docs/cli.md is stale; run python scripts/document_cli.py")
    else:
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
