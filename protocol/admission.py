"""Which record of an owner counts: sequence numbers only grow, a repeat is harmless, an older one is refused.

DESIGN section 3. The rule is the same for a coordinator's ledger and for gossiping peers.
"""

from dataclasses import dataclass
from enum import Enum, auto

from ridgeway.errors import RidgewayError


class StaleSequence(RidgewayError):
    """A record older than the one that counts."""


class ConflictingRecord(RidgewayError):
    """Another record under a sequence number that is taken."""


class Admission(Enum):
    """What to do with a valid record."""

    REPLACE = auto()
    REPEAT = auto()


@dataclass(frozen=True, slots=True)
class Standing:
    """The record that counts now for one owner and domain; the tombstone of a withdrawn one stands here too."""

    sequence: int
    record_digest: bytes


def admit(standing: Standing | None, sequence: int, record_digest: bytes) -> Admission:
    """Decide about a record against the one that counts now.

    Raises:
        StaleSequence: the number is below the one that counts, or zero.
        ConflictingRecord: the number is taken by other bytes.
    """
    if sequence < 1:
        raise StaleSequence("sequence numbers start at 1; sign the record again with the next number")
    if standing is None or sequence > standing.sequence:
        return Admission.REPLACE
    if sequence < standing.sequence:
        raise StaleSequence(
            f"sequence {sequence} is older than {standing.sequence}, which counts already; "
            f"sign again with {standing.sequence + 1} or more"
        )
    if record_digest != standing.record_digest:
        raise ConflictingRecord(
            f"sequence {sequence} is taken by another record; sign again with {standing.sequence + 1} or more"
        )
    return Admission.REPEAT
