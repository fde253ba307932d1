"""How a slow load tells how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Called with every piece that arrives.

    Args:
        done_bytes: bytes so far of what `description` names.
        total_bytes: bytes in all; 0 if the server did not say.
        description: the file that is coming in.
    """

    def __call__(self, done_bytes: int, total_bytes: int, description: str) -> None: ...


def silent(done_bytes: int, total_bytes: int, description: str) -> None:
    """Report to nobody."""
