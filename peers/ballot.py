"""The seat of the last round that this node had one in, and its vote there: on disk before anybody hears of either."""

from ridgeway.node.state import NodeState, write_setting
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, encode
from ridgeway.roster.seat import Seat

_FORMAT = 1
_SETTING = "peer_round"


class Ballot:
    """What is written of it; every change is one transaction."""

    def __init__(self, state: NodeState) -> None:
        self._state = state

    @property
    def seat(self) -> Seat | None:
        """Of the round that we do not know the end of; None if we know the ends of all."""
        stored = self._state.setting(_SETTING)
        if not stored:
            return None
        return Seat(
            terms=decode(m.RoundTerms, bytes.fromhex(stored["terms"])),
            cohort=tuple(decode(m.RoundSeat, bytes.fromhex(seat)) for seat in stored["cohort"]),
            position=stored["position"],
            entered=stored["entered"],
            survivors=frozenset(stored["survivors"]),
            vote=bytes.fromhex(stored["vote"]),
        )

    def write(self, seat: Seat) -> None:
        """Remember a seat as it is now."""
        self._write(
            {
                "format": _FORMAT,
                "terms": encode(seat.terms).hex(),
                "cohort": [encode(each).hex() for each in seat.cohort],
                "position": seat.position,
                "entered": seat.entered,
                "survivors": sorted(seat.survivors),
                "vote": seat.vote.hex(),
            }
        )

    def clear(self) -> None:
        """The round's end is known."""
        self._write({})

    def _write(self, value: object) -> None:
        with self._state.transaction() as connection:
            write_setting(connection, _SETTING, value)
