"""Write docs/cli.md from the commands themselves, or with --check fail if it is stale."""

import click
from generated_page import write_or_check

from ridgeway.cli.main import ridgeway

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
        parts += _sections(f"ridgeway {name}", name, command, context)
    return "\n\n".join(parts) + "\n"


def _sections(path: str, name: str, command: click.Command, parent: click.Context) -> list[str]:
    """The section of a command, and of those below it."""
    inner = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    parts = [f"## {path}", _block(command.get_help(inner))]
    if isinstance(command, click.Group):
        for below, each in command.commands.items():
            parts += _sections(f"{path} {below}", below, each, inner)
    return parts


def _block(text: str) -> str:
    return "```text\n" + "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n```"


if __name__ == "__main__":
    write_or_check("cli.md", page, __doc__)
