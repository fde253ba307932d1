"""Write docs/reference/options.md from the commands themselves, or with --check fail if it is stale."""

import click
from generated_page import table, write_or_check

from ridgeway.cli.main import ridgeway


def page() -> str:
    """The whole page."""
    parts = [
        "# Options, their keys and variables",
        "Written by `python scripts/document_options.py` from the commands themselves. How they are given is told in"
        " [configuration](configuration.md). Where a default is left out, the option does nothing unless it is given,"
        " or its meaning says what counts.",
    ]
    for name, command in ridgeway.commands.items():
        options = [p for p in command.params if isinstance(p, click.Option) and p.name != "help"]
        if options:
            parts += [f"## {name}", table(("key and variable", "default", "meaning"), [row(name, o) for o in options])]
    return "\n\n".join(parts) + "\n"


def row(command: str, option: click.Option) -> tuple[str, str, str]:
    """Key and variable, default and meaning of an option."""
    key = next(name.removeprefix("--") for name in option.opts if name.startswith("--"))
    variable = option.envvar or f"RIDGEWAY_{command}_{option.name}".upper().replace("-", "_")
    return f"`{key}`<br>`{variable}`", default(option), str(option.help)


def default(option: click.Option) -> str:
    """What counts if an option is given in no way."""
    if option.required:
        return "needed"
    is_plain = isinstance(option.default, str | int | float) and not isinstance(option.default, bool)
    return f"`{option.default}`" if is_plain and option.default != "" else ""


if __name__ == "__main__":
    write_or_check("reference/options.md", page, __doc__)
