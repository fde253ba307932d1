"""The aggregator's side of one round: who was asked, who answered, and the sum of those whose vectors came.

A machine of events and times: messages in, messages out. It never holds anything that would uncover one owner: only
masked vectors, which it adds up as they come, and shares that the survivors agreed to reveal.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from ridgeway.crypto.identity import BadSignature, verify
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.secagg.advertisements import MalformedAdvertisement, open_advertisement
from ridgeway.secagg.cohort import leaf
from ridgeway.secagg.merkle import Tree
from ridgeway.secagg.plan import Plan, neighbours, plan
from ridgeway.secagg.positions import to_bitmap
from ridgeway.secagg.terms import AGREEMENT_SIGNATURE, agreement_body, cohort_digest, terms_digest
from ridgeway.secagg.unmasking import Evidence, take_off

# Messages to owners, by name.
Orders = list[tuple[str, m.RoundOrder]]


class Phase(Enum):
    """What the round waits for."""

    ADVERTISING = "keys"
    SHARING = "shares"
    MASKING = "masked vectors"
    AGREEING = "signatures"
    REVEALING = "revealed shares"
    UNMASKING = "unmasking"
    SUMMED = "commit"
    ABORTED = "aborted"


class OutOfTurn(RidgewayError):
    """A message that its sender may not send now."""


class WrongVector(RidgewayError):
    """A masked vector of another length than the round's."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that each phase waits for the slowest; a node answers within milliseconds unless it has gone."""

    keys_s: float = 15.0
    shares_s: float = 30.0
    signatures_s: float = 30.0
    revelation_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Sum:
    """What a round gives: the sum, the layout of it, and the statements of those who are in it."""

    vector: npt.NDArray[np.int64] = field(repr=False)
    domains: tuple[str, ...]
    survivors: tuple[m.AdvertisementBody, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """One member of the cohort."""

    position: int
    advertisement: m.Advertisement
    advertised: m.AdvertisementBody


class Aggregator:
    """One round.

    Args:
        terms: of the round.
        invited: the owners that are asked, with their identity keys.
        min_cohort: the manifest's.
        length: how many numbers a vector over some domains has.
        now: seconds of any clock that does not go back.
        slots: how many vectors may be on their way at once, so that memory does not depend on the cohort.
        patience: see there.

    Attributes:
        phase: what the round waits for.
        deadline: when it waits no longer; None while inputs come, whose senders the caller watches.
        reason: why it was aborted.
        dropouts: owners that went before the end, with what is known of why; their vectors may be in the sum.
    """

    def __init__(
        self,
        terms: m.RoundTerms,
        invited: Mapping[str, bytes],
        min_cohort: int,
        length: Callable[[tuple[str, ...]], int],
        now: float,
        slots: int = 2,
        patience: Patience = Patience(),
    ) -> None:
        self.terms = terms
        self.phase = Phase.ADVERTISING
        self.deadline: float | None = now + patience.keys_s
        self.reason = ""
        self.dropouts: dict[str, str] = {}
        self._now = now
        self._digest = terms_digest(terms)
        self._invited = invited
        self._min_cohort = min_cohort
        self._length = length
        self._slots = slots
        self._patience = patience
        self._awaited = set(invited)
        self._advertised: dict[str, tuple[m.Advertisement, m.AdvertisementBody]] = {}
        self._seats: dict[str, Seat] = {}
        self._plan = Plan(0, 0)
        self._root = b""
        self._cohort = b""
        self._boxes: dict[int, list[m.SealedShare]] = {}
        self._sharers: dict[str, Seat] = {}
        self._uploading: set[str] = set()
        self._survivors: dict[str, Seat] = {}
        self._signatures: dict[int, bytes] = {}
        self._evidence: Evidence | None = None
        self.domains: tuple[str, ...] = ()
        self.vector: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def start(self) -> Orders:
        """Ask everybody who is invited."""
        return [(owner, m.RoundOrder(terms=self.terms)) for owner in sorted(self._invited)]

    @property
    def missing(self) -> tuple[str, ...]:
        """Whom the round waits for."""
        return tuple(sorted(self._awaited))

    @property
    def cohort_size(self) -> int:
        """How many were asked, or once that is fixed how many answered."""
        return len(self._seats) or len(self._invited)

    @property
    def seats(self) -> tuple[m.AdvertisementBody, ...]:
        """What the members of the cohort advertised, by position; nobody before it is fixed."""
        return tuple(seat.advertised for seat in self._seats.values())

    @property
    def included(self) -> frozenset[str]:
        """Whose vectors have been added, whether they stayed to the end or not."""
        return frozenset(self._survivors)

    def receive(self, owner: str, reply: m.RoundReply, now: float) -> Orders:
        """Take one message. One that comes late changes nothing; the sender of a wrong one takes no further part.

        Raises:
            OutOfTurn: this owner may send no such message in this round.
        """
        self._now = now
        if owner not in self._invited:
            raise OutOfTurn(f"{owner} was not asked to take part in this round")
        if reply.refusal:
            return self.lost(owner, now, f"it refuses: {reply.refusal[:300]}")
        expected = self._expected(reply)
        if expected is not self.phase or owner not in self._awaited:
            return []
        try:
            self._take(owner, reply)
        except RidgewayError as error:
            return self.lost(owner, now, str(error))
        self._awaited.discard(owner)
        return self._advance()

    def lost(self, owner: str, now: float, why: str = "its connection ended") -> Orders:
        """An owner has gone, or must not be waited for any longer."""
        self._now = now
        if owner not in self._awaited:
            return []
        self.dropouts[owner] = why
        self._awaited.discard(owner)
        self._uploading.discard(owner)
        return self._advance()

    def tick(self, now: float) -> Orders:
        """Time has passed: at its deadline a phase ends without those who are missing."""
        self._now = now
        if self.deadline is None or now < self.deadline:
            return []
        for owner in sorted(self._awaited):
            self.dropouts[owner] = f"it did not send its {self.phase.value} in time"
        self._awaited.clear()
        return self._advance()

    def take_input(self, owner: str, numbers: int, pieces: Iterable[npt.NDArray[np.int64]], now: float) -> Orders:
        """Add a whole masked vector, int64, that is handed over in pieces; one that comes late changes nothing.

        Raises:
            WrongVector: it has another length.
        """
        self._now = now
        if self.phase is not Phase.MASKING or owner not in self._uploading:
            return []
        if numbers != self.vector.size:
            raise WrongVector(f"{owner} sent {numbers} numbers, the round has {self.vector.size}")
        start = 0
        for piece in pieces:
            self.vector[start : start + piece.size] += piece
            start += piece.size
        self._survivors[owner] = self._seats[owner]
        self._uploading.discard(owner)
        self._awaited.discard(owner)
        return self._advance()

    def unmask(self) -> Sum:
        """Take the masks off; heavy, and touches nothing but the vector.

        Raises:
            BadShares: an owner has shared or revealed nonsense; the round is void.
        """
        if self._evidence is None or self.phase is not Phase.UNMASKING:
            raise OutOfTurn("the round is not ready to be unmasked")
        take_off(self.vector, self._evidence)
        self.phase = Phase.SUMMED
        statements = tuple(self._survivors[owner].advertised for owner in sorted(self._survivors))
        return Sum(self.vector, self.domains, statements)

    def abort(self, reason: str) -> Orders:
        """End the round without a sum, and forget what came."""
        if self.phase is Phase.ABORTED:
            return []
        self.phase, self.reason, self.deadline = Phase.ABORTED, reason, None
        self._awaited.clear()
        self.vector = np.zeros(0, dtype=np.int64)
        self._evidence = None
        return []

    # Phases

    def _expected(self, reply: m.RoundReply) -> Phase:
        phases = {
            Phase.ADVERTISING: reply.advertisement,
            Phase.SHARING: reply.shares,
            Phase.AGREEING: reply.agreement,
            Phase.REVEALING: reply.revelation,
        }
        for phase, step in phases.items():
            if step is not None:
                return phase
        raise OutOfTurn("a reply holds no step of a round; upgrade the older side")

    def _take(self, owner: str, reply: m.RoundReply) -> None:
        if reply.advertisement is not None:
            self._take_advertisement(owner, reply.advertisement)
        elif reply.shares is not None:
            self._take_shares(owner, reply.shares)
        elif reply.agreement is not None:
            self._take_agreement(owner, reply.agreement)
        elif reply.revelation is not None and self._evidence is not None:
            self._evidence.add(self._seats[owner].position, reply.revelation)

    def _advance(self) -> Orders:
        """Go on if nobody is awaited any more, or what came suffices."""
        if self.phase is Phase.MASKING:
            granted = self._grant()
            if granted or self._awaited:
                return granted
        elif self.phase is Phase.REVEALING and self._evidence is not None and self._evidence.complete:
            self._awaited.clear()
        if self._awaited:
            return []
        steps: dict[Phase, Callable[[], Orders]] = {
            Phase.ADVERTISING: self._form_cohort,
            Phase.SHARING: self._deliver_shares,
            Phase.MASKING: self._ask_for_agreement,
            Phase.AGREEING: self._ask_for_shares,
            Phase.REVEALING: self._ready,
        }
        step = steps.get(self.phase)
        return step() if step else []

    def _take_advertisement(self, owner: str, advertisement: m.Advertisement) -> None:
        body = open_advertisement(advertisement, self._digest)
        if body.owner != owner or advertisement.identity_public_key != self._invited[owner]:
            raise MalformedAdvertisement(f"{owner} advertises keys as {body.owner[:80]!r}, or under another identity")
        self._advertised[owner] = advertisement, body

    def _form_cohort(self) -> Orders:
        order = sorted(self._advertised)
        self._seats = {owner: Seat(place, *self._advertised[owner]) for place, owner in enumerate(order)}
        problem = self._uncovered(self._seats)
        if problem:
            return self.abort(problem)
        tree = Tree([leaf(self._seats[owner].advertisement) for owner in order])
        self._root, self._plan = tree.root, plan(len(order))
        self.domains = tuple(sorted({domain for seat in self._seats.values() for domain in seat.advertised.domains}))
        self._cohort = cohort_digest(self._digest, len(order), self._root, self.domains)
        self._wait(Phase.SHARING, order, self._now + self._patience.shares_s)
        return [(owner, m.RoundOrder(cohort=self._cohort_for(seat, tree))) for owner, seat in self._seats.items()]

    def _cohort_for(self, seat: Seat, tree: Tree) -> m.Cohort:
        around = self._around(seat)
        by_position = list(self._seats.values())
        return m.Cohort(
            size=len(self._seats),
            position=seat.position,
            threshold=self._plan.threshold,
            root=self._root,
            proof=tree.proof(seat.position),
            domains=self.domains,
            neighbours=tuple(
                m.Neighbour(position, by_position[position].advertisement, tree.proof(position)) for position in around
            ),
        )

    def _around(self, seat: Seat) -> tuple[int, ...]:
        return neighbours(self._root, len(self._seats), seat.position)

    def _take_shares(self, owner: str, sealed: m.SealedShares) -> None:
        seat = self._seats[owner]
        if tuple(share.position for share in sealed.shares) != self._around(seat):
            raise OutOfTurn(f"{owner} did not seal a share for each of its neighbours; it takes no further part")
        for share in sealed.shares:
            self._boxes.setdefault(share.position, []).append(m.SealedShare(seat.position, share.box))
        self._sharers[owner] = seat

    def _deliver_shares(self) -> Orders:
        problem = self._uncovered(self._sharers)
        if problem:
            return self.abort(problem)
        bitmap = self._bitmap(self._sharers)
        self.vector = np.zeros(self._length(self.domains), dtype=np.int64)
        self._wait(Phase.MASKING, self._sharers, None)
        orders = [
            (owner, m.RoundOrder(shares=m.ShareDelivery(bitmap, tuple(self._boxes.get(seat.position, ())))))
            for owner, seat in self._sharers.items()
        ]
        self._boxes = {}
        return orders + self._grant()

    def _grant(self) -> Orders:
        """Ask the next owners for their vectors, as many as there is room for."""
        waiting = sorted(self._awaited - self._uploading)
        granted = waiting[: max(0, self._slots - len(self._uploading))]
        self._uploading.update(granted)
        return [(owner, m.RoundOrder(input_wanted=m.InputWanted())) for owner in granted]

    def _ask_for_agreement(self) -> Orders:
        problem = self._uncovered(self._survivors)
        if problem:
            return self.abort(problem)
        survivors = m.Survivors(self._bitmap(self._survivors))
        self._wait(Phase.AGREEING, self._survivors, self._now + self._patience.signatures_s)
        return [(owner, m.RoundOrder(survivors=survivors)) for owner in self._survivors]

    def _take_agreement(self, owner: str, agreement: m.Agreement) -> None:
        body = agreement_body(self._cohort, self._bitmap(self._sharers), self._bitmap(self._survivors))
        try:
            verify(self._invited[owner], AGREEMENT_SIGNATURE, body, agreement.signature)
        except BadSignature as error:
            raise OutOfTurn(f"{owner} signed another list of survivors than it was shown") from error
        self._signatures[self._seats[owner].position] = agreement.signature

    def _ask_for_shares(self) -> Orders:
        signers = {owner: seat for owner, seat in self._survivors.items() if seat.position in self._signatures}
        if len(signers) < min(self._plan.threshold, len(self._seats)):
            return self.abort(f"{len(signers)} survivors agreed, {self._plan.threshold} must: {self._reasons()}")
        by_position = {seat.position: seat for seat in self._seats.values()}
        survived = {seat.position for seat in self._survivors.values()}
        self._evidence = Evidence(
            cohort=self._cohort,
            threshold=self._plan.threshold,
            advertised={position: seat.advertised for position, seat in by_position.items()},
            neighbours={seat.position: self._around(seat) for seat in self._sharers.values()},
            survivors=frozenset(survived),
            vanished=frozenset(seat.position for seat in self._sharers.values()) - survived,
        )
        self._wait(Phase.REVEALING, signers, self._now + self._patience.revelation_s)
        return [
            (owner, m.RoundOrder(agreements=m.Agreements(tuple(self._agreements_around(seat)))))
            for owner, seat in signers.items()
        ]

    def _agreements_around(self, seat: Seat) -> Iterable[m.Agreement]:
        for position in self._around(seat):
            if position in self._signatures:
                yield m.Agreement(position, self._signatures[position])

    def _ready(self) -> Orders:
        if self._evidence is None or not self._evidence.complete:
            return self.abort(f"too few shares were revealed to take the masks off: {self._reasons()}")
        self._wait(Phase.UNMASKING, (), None)
        return []

    def _wait(self, phase: Phase, owners: Iterable[str], deadline: float | None) -> None:
        self.phase, self._awaited, self.deadline = phase, set(owners), deadline

    def _bitmap(self, seats: Mapping[str, Seat]) -> bytes:
        return to_bitmap((seat.position for seat in seats.values()), len(self._seats))

    def _uncovered(self, seats: Mapping[str, Seat]) -> str:
        """Why a round of these owners cannot go on; empty if it can."""
        differing = {owner for owner, seat in seats.items() if seat.advertised.changed}
        if self.terms.kind is m.RoundKind.FULL:
            differing |= set(self.terms.members) - seats.keys()
        if len(differing) < self._min_cohort or len(seats) < self._min_cohort:
            return f"{len(differing)} owners with a change are left, {self._min_cohort} must be{self._reasons()}"
        if self._seats and len(seats) < plan(len(self._seats)).threshold:
            return f"{len(seats)} of {len(self._seats)} owners are left, too few to take the masks off{self._reasons()}"
        return ""

    def _reasons(self) -> str:
        if not self.dropouts:
            return ""
        shown = [f"{owner}: {why}" for owner, why in sorted(self.dropouts.items())[:3]]
        more = f"; and {len(self.dropouts) - 3} more" if len(self.dropouts) > 3 else ""
        return f" ({'; '.join(shown)}{more})"
