"""How fast each peer's chunks come, measured, so that a slow line is waited for and nothing is fetched twice."""

from collections import OrderedDict

from ridgeway.gossip.limits import CHUNK_BYTES_PER_S, CHUNKS_IN_FLIGHT_MAX, LATE_MAX, PACE_FALL


class Paces:
    """Seconds for each byte, by peer, from the question to the whole chunk, what waits before it on the stream
    included."""

    def __init__(self) -> None:
        self._paces: dict[str, float] = {}
        self._asked: OrderedDict[tuple[str, bytes, int], float] = OrderedDict()

    def asked(self, peer: str, payload_digest: bytes, index: int, now_s: float) -> None:
        """A chunk was asked of a peer."""
        self._asked[peer, payload_digest, index] = now_s
        while len(self._asked) > CHUNKS_IN_FLIGHT_MAX + LATE_MAX:
            self._asked.popitem(last=False)

    def arrived(self, peer: str, payload_digest: bytes, index: int, length: int, now_s: float) -> None:
        """It came, in time or not."""
        since_s = self._asked.pop((peer, payload_digest, index), None)
        if since_s is None or length <= 0:
            return
        took, before = (now_s - since_s) / length, self._paces.get(peer, 0.0)
        self._paces[peer] = max(took, before + (took - before) * PACE_FALL)

    def expected_s(self, peer: str, length: int) -> float:
        """How long so many bytes may take: a stated time, or twice what they took so far."""
        return length * max(1.0 / CHUNK_BYTES_PER_S, 2.0 * self._paces.get(peer, 0.0))

    def forget(self, peer: str) -> None:
        """Its stream is gone: what it was asked for does not come, and the next stream may be another line."""
        self._paces.pop(peer, None)
        for asked in [asked for asked in self._asked if asked[0] == peer]:
            del self._asked[asked]
