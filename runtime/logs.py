"""Logs of a daemon on standard error: lines for people, or one JSON object a line for machines.

Every line shows the id of the request that it belongs to. Prompts, keys and tokens are never handed to a logger; that
is a rule of the whole project, and tests read the logs for them.
"""

import json
import logging
import sqlite3
import traceback
from datetime import UTC, datetime
from enum import StrEnum

from ridgeway.runtime import request_id

# These say at INFO what nobody who runs Ridgeway asks for, or at DEBUG the content of what they carry.
_NOISY = ("aiohttp", "asyncio", "grpc", "urllib3", "httpx", "opentelemetry")


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


def described(error: Exception) -> str:
    """An unforeseen error for a log: its kind and where it was raised, and its text only if that is about the machine.

    The text of any other may quote the prompt that it fell over.
    """
    text = f": {error}" if isinstance(error, OSError | sqlite3.Error) else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}{text}\n{frames}".rstrip()


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.current():
            document["request_id"] = current
        if record.exc_info:
            document["error"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """A line for people, with the request's id in brackets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without a traceback."""
        current = request_id.current()
        return super().formatMessage(record) + (f" [{current}]" if current else "")


def configure_logs(form: LogFormat, *, debug: bool) -> None:
    """Send the logs of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else ConsoleFormatter())
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
