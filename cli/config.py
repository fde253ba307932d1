"""--config FILE.toml: defaults for options. A table for each command; keys at the top count for every command.

Flags win over variables, variables over the file.
"""

import tomllib
from pathlib import Path
from typing import Any

import click


def load_config(path: Path, group: click.Group) -> dict[str, dict[str, Any]]:
    """What click takes as its default map.

    Raises:
        click.UsageError: the file cannot be read, or has a key that no command knows.
    """
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is no TOML: {error}") from error
    options = {
        name: _options(command) for name, command in group.commands.items() if not isinstance(command, click.Group)
    }
    common = {key: value for key, value in document.items() if not isinstance(value, dict)}
    _check(path, "", common, {option for known in options.values() for option in known})
    defaults = {
        name: {known[key]: value for key, value in common.items() if key in known} for name, known in options.items()
    }
    for name, table in document.items():
        if isinstance(table, dict):
            if name not in options:
                raise click.UsageError(f"{path} has a table [{name}], but there is no such command")
            _check(path, f"[{name}] ", table, set(options[name]))
            defaults[name] |= {options[name][key]: value for key, value in table.items()}
    return defaults


def _options(command: click.Command) -> dict[str, str]:
    """Parameter name by the name that people write, with hyphens."""
    return {
        option.removeprefix("--"): parameter.name or ""
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }


def _check(path: Path, table: str, found: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise click.UsageError(f"{path}: {table}{unknown[0]} is no option; known are {', '.join(sorted(known))}")
