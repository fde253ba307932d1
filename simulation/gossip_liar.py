"""A member that lies: what its machine says is altered on its way out, in ways that an honest peer must see through."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from ridgeway.proto.codec import encode
from ridgeway.proto.messages import GossipRecord, PeerDigest, PeerFrame, PeerState, PeerUpdate, Reconciliation, TriePart
from ridgeway.simulation.gossip_trust import sign


class Liar:
    """Alters one frame in so many.

    Args:
        random: decides when and how.
        name: the liar.
        others: whom it slanders, and whose records it forges.
        share: of frames that are altered.
    """

    def __init__(self, random: Random, name: str, others: list[str], share: float = 0.3) -> None:
        self._random = random
        self._name = name
        self._others = others
        self._share = share
        self._old: list[GossipRecord] = []
        self._lies: list[Callable[[PeerFrame], PeerFrame | bytes]] = [
            self._forge, self._alter, self._roll_back, self._equivocate, self._slander, self._miscount,
            self._spoil_chunk, self._exceed, self._babble,
        ]  # fmt: skip

    def speak(self, _: str, frame: PeerFrame) -> PeerFrame | bytes:
        """What it sends instead of a frame."""
        if frame.digest is not None:
            self._old += frame.digest.fresh
        if self._random.random() >= self._share:
            return frame
        return self._random.choice(self._lies)(frame)

    def _with(self, frame: PeerFrame, *records: GossipRecord) -> PeerFrame:
        return PeerFrame(frame.format_version, frame.updates, reconciliation=Reconciliation(records=records))

    def _forge(self, frame: PeerFrame) -> PeerFrame:
        victim = self._random.choice(self._others)
        record = sign(victim, f"contribution/{victim}", 1000, 666)
        return self._with(frame, replace(record, signature=bytes(64)))

    def _alter(self, frame: PeerFrame) -> PeerFrame:
        if not self._old:
            return frame
        record = self._random.choice(self._old)
        return self._with(frame, replace(record, sequence=record.sequence + 1))

    def _roll_back(self, frame: PeerFrame) -> PeerFrame:
        return self._with(frame, *self._old[:1])

    def _equivocate(self, frame: PeerFrame) -> PeerFrame:
        return self._with(frame, sign(self._name, f"extra/{self._name}", 1, self._random.randrange(3)))

    def _slander(self, frame: PeerFrame) -> PeerFrame:
        victim = self._random.choice(self._others)
        state = self._random.choice((PeerState.SUSPECT, PeerState.DEAD, PeerState.ALIVE))
        incarnation = self._random.choice((0, 1, 7, 1 << 19, 1 << 40, (1 << 64) - 1))
        return replace(frame, updates=(PeerUpdate(victim, state, incarnation, self._name),))

    def _miscount(self, frame: PeerFrame) -> PeerFrame:
        if frame.digest is None:
            return frame
        return replace(frame, digest=replace(frame.digest, sum_digest=bytes(32), records=1 << 60))

    def _spoil_chunk(self, frame: PeerFrame) -> PeerFrame:
        if frame.chunk is None:
            return frame
        return replace(frame, chunk=replace(frame.chunk, data=frame.chunk.data[:-1] + b"!"))

    def _exceed(self, frame: PeerFrame) -> PeerFrame:
        parts = tuple(TriePart(prefix=bytes([place % 20])) for place in range(self._random.randrange(400)))
        return PeerFrame(frame.format_version, digest=PeerDigest(root=bytes(32), answer=True, parts=parts))

    def _babble(self, frame: PeerFrame) -> bytes:
        data = bytearray(encode(frame))
        for _ in range(3):
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(data)
