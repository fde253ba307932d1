"""One masked round in this process, with the machines that node and coordinator run and nobody missing."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway.crypto.identity import IdentityKey
from ridgeway.proto import messages as m
from ridgeway.secagg.aggregator import Aggregator
from ridgeway.secagg.cohort import Roster
from ridgeway.secagg.masks import Mask, masked
from ridgeway.secagg.participant import ENTROPY_BYTES, Involvement, Participant
from ridgeway.secagg.terms import NONCE_BYTES, ROUND_VERSION

MIN_COHORT = 3


@dataclass(frozen=True, slots=True)
class MaskedRound:
    """What the coordinator holds after a masked round: the sum, and each owner's vector as it came, all int64."""

    sum: npt.NDArray[np.int64] = field(repr=False)
    masked: tuple[npt.NDArray[np.int64], ...] = field(repr=False)


class Owner:
    """One participant and its vector."""

    def __init__(self, name: str, vector: npt.NDArray[np.int64], terms: m.RoundTerms, entropy: bytes) -> None:
        self.key = IdentityKey.generate()
        self.covered = vector
        self._masks: tuple[Mask, ...] = ()
        involvement = Involvement(name, changed=True, domains=("all",), remaining=("all",))
        self._participant = Participant(self.key, terms, involvement, MIN_COHORT, Roster({}), entropy)

    def reply(self, order: m.RoundOrder) -> m.RoundReply | None:
        """The answer to an order; to the one for the input there is none, the vector is `covered` after it."""
        taking = self._participant
        if order.terms is not None:
            return m.RoundReply(advertisement=taking.advertisement)
        if order.cohort is not None:
            return m.RoundReply(shares=taking.share(order.cohort))
        if order.survivors is not None:
            return m.RoundReply(agreement=taking.agree(order.survivors))
        if order.agreements is not None:
            return m.RoundReply(revelation=taking.reveal(order.agreements))
        if order.shares is not None:
            self._masks = taking.masks(order.shares)[1]
        else:
            self.covered = next(masked([self.covered], self._masks))
        return None


def masked_round(vectors: Sequence[npt.NDArray[np.int64]], random_bytes: Callable[[int], bytes]) -> MaskedRound:
    """Run a round in which every owner brings one of the vectors, int64 and of one length.

    Args:
        vectors: at least three.
        random_bytes: gives so many.
    """
    terms = m.RoundTerms(ROUND_VERSION, "attack", bytes(32), 1, random_bytes(NONCE_BYTES), m.RoundKind.INCREMENTAL)
    names = [f"owner-{place}" for place in range(len(vectors))]
    owners = {
        name: Owner(name, vector, terms, random_bytes(ENTROPY_BYTES))
        for name, vector in zip(names, vectors, strict=True)
    }
    invited = {name: owner.key.public_bytes for name, owner in owners.items()}
    aggregator = Aggregator(terms, invited, MIN_COHORT, lambda _: vectors[0].size, 0.0)
    orders = deque(aggregator.start())
    while orders:
        name, order = orders.popleft()
        reply = owners[name].reply(order)
        if order.input_wanted is not None:
            orders += aggregator.take_input(name, owners[name].covered.size, [owners[name].covered], 0.0)
        elif reply is not None:
            orders += aggregator.receive(name, reply, 0.0)
    return MaskedRound(aggregator.unmask().vector, tuple(owner.covered for owner in owners.values()))
