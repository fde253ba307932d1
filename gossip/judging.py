"""What the trust layer says of a record that somebody sent.

The verdict must depend on nothing but the record and on records that it names (its author's membership), so that all
peers come to the same one; a record whose author was evicted meanwhile is still accepted, and simply not counted by the
sum. A record of a newer format is `NotYet`, not invalid: whoever relays it does nothing wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ridgeway.errors import RidgewayError
from ridgeway.gossip.record import Entry, Payload
from ridgeway.proto.messages import GossipRecord

# The record that counts now under a key, if any.
Lookup = Callable[[str], Entry | None]


class InvalidRecord(RidgewayError):
    """A record that no honest peer would have passed on: forged, altered, or contradicting itself."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The record is its author's.

    Attributes:
        author: the member whose identity key signed it.
        payload: what the signed body refers to; None if nothing.
    """

    author: str
    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class NotYet:
    """It cannot be judged before another record has come.

    Attributes:
        waits_for: that record's key; empty: it is not known what would help, so the record is let go and comes again.
    """

    waits_for: str = ""


class Judge(Protocol):
    """Judges one record; pure, and called for each record at most a few times."""

    def __call__(self, record: GossipRecord, lookup: Lookup) -> Accept | NotYet:
        """The verdict.

        Raises:
            InvalidRecord: no honest peer would have passed it on; key and sequence other than the signed body's too.
        """
