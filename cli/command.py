"""What all commands share: how they fail, and the options that mean the same everywhere."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ridgeway.errors import RidgewayError

F = TypeVar("F", bound=Callable[..., Any])

EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
EXIT_NOT_ROUTED = 4
EXIT_INTERRUPTED = 130

EXIT_CODES = """\b
Exit codes:
  0    done
  1    refused or failed; the sentence on standard error says what to do
  2    the command line, the configuration or a variable is wrong
  3    nobody answers at the other end; trying again later may help
  4    at least one prompt cannot be routed
  130  interrupted
"""


class Command(click.Command):
    """A command whose errors are one sentence on standard error, or one JSON object with --json."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a RidgewayError ends it with its exit code."""
        try:
            return super().invoke(ctx)
        except RidgewayError as error:
            if ctx.find_root().params.get("debug"):
                raise
            report_error(error, as_json=bool(ctx.params.get("as_json")))
            ctx.exit(exit_code(error))


def report_error(error: RidgewayError, *, as_json: bool) -> None:
    """One sentence, or one JSON object, on standard error."""
    if as_json:
        click.echo(json.dumps({"error": type(error).__name__, "message": str(error)}), err=True)
    else:
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(str(error), err=True)


def exit_code(error: RidgewayError) -> int:
    """The exit code of an error. Errors of modules that were never imported cannot have happened."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "Unreachable" in names:
        return EXIT_UNREACHABLE
    return EXIT_NOT_ROUTED if "NoKnownToken" in names else EXIT_FAILED


def data_dir_option(function: F) -> F:
    """--data-dir DIR."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="RIDGEWAY_DATA_DIR",
        required=True,
        help="The directory of this coordinator or node.",
    )(function)


def json_option(function: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(function)


def emit(document: object) -> None:
    """One JSON object on standard output, at once."""
    click.echo(json.dumps(document, default=_plain))
    sys.stdout.flush()


def of_sum(digest: bytes) -> str:
    """What a change made of the sum; a peer's daemon makes it when it runs."""
    return f"; the sum's digest is {digest.hex()}" if digest else "; this node passes it on when it runs"


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")
