"""What all commands share: how they fail, and the options that mean the same everywhere."""

import errno
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


# What to do about errors of the operating system that are not of Ridgeway's making.
_ADVICE = {
    errno.ENOSPC: "make room there, and run it again",
    errno.EDQUOT: "make room there, and run it again",
    errno.EIO: "look at the machine's log, and at the disk",
    errno.EROFS: "name a place that may be written",
    errno.EACCES: "look at the owner and the mode of what lies there",
    errno.EPERM: "look at the owner and the mode of what lies there",
    errno.EMFILE: "raise the limit of open files (ulimit -n), and run it again",
    errno.ENFILE: "raise the machine's limit of open files, and run it again",
}


class SystemRefused(RidgewayError):
    """The operating system did not do what was asked."""


class Command(click.Command):
    """A command whose errors are one sentence on standard error, or one JSON object with --json."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a RidgewayError, or a refusal of the operating system, ends it with its exit code."""
        try:
            return super().invoke(ctx)
        except RidgewayError as error:
            if ctx.find_root().params.get("debug"):
                raise
            found: RidgewayError = error
        except OSError as error:
            if ctx.find_root().params.get("debug") or error.errno not in _ADVICE:
                raise
            found = _refusal(error, ctx)
        report_error(found, as_json=bool(ctx.params.get("as_json")))
        return ctx.exit(exit_code(found))


def _refusal(error: OSError, ctx: click.Context) -> SystemRefused:
    where = error.filename or ctx.params.get("data_dir")
    place = f"{where}: " if where else ""
    return SystemRefused(f"{place}{error.strerror}; {_ADVICE[error.errno or 0]}")


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
