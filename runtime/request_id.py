"""The id of what is being done now, so that the logs of several processes can be read together.

It travels as gRPC metadata: a command gives its work an id, the daemon that does it passes it on to the coordinator,
and every log line of all three shows it.
"""

import secrets
import string
from collections.abc import Iterable
from contextvars import ContextVar

METADATA_KEY = "x-request-id"
# As long as a UUID with its hyphens, which is what other systems hand in; longer ones would flood the logs.
CHARACTERS_MAX = 64
_ALLOWED = frozenset(string.ascii_letters + string.digits + "-_.")
_current: ContextVar[str] = ContextVar("request_id", default="")

Metadata = tuple[tuple[str, str], ...]


def current() -> str:
    """The id of what this task does; empty if nothing gave it one."""
    return _current.get()


def begin(received: str = "") -> str:
    """Take an id for this task, a fresh one unless one was received that may stand in a log; gives it back."""
    usable = 0 < len(received) <= CHARACTERS_MAX and set(received) <= _ALLOWED
    identifier = received if usable else secrets.token_hex(8)
    _current.set(identifier)
    return identifier


def received(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The id that a call came with; empty if it has none."""
    return next((str(value) for key, value in metadata or () if key == METADATA_KEY), "")


def outgoing() -> Metadata:
    """What a call is to carry, a fresh id if this task has none."""
    return ((METADATA_KEY, current() or begin()),)
