"""Peers with the same records must have the same sum and the same weights; a lasting difference is a fault.

A sum's digest counts only together with the root of the very records that it was computed from, so a peer that is still
computing causes no alarm.
"""

from collections import OrderedDict
from dataclasses import dataclass

from ridgeway.gossip.effects import Diverged
from ridgeway.gossip.events import SumReady
from ridgeway.gossip.limits import DIVERGENCE_REPORTS, DIVERGENCES_MAX
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.post import Post
from ridgeway.proto.messages import PeerDigest


@dataclass(slots=True)
class _Difference:
    root: bytes
    first_s: float
    reports: int = 0
    told: bool = False


class Divergence:
    """Compares what peers report with our own sum.

    Attributes:
        latest: our newest sum.
    """

    def __init__(self, post: Post, parameters: Parameters) -> None:
        self.latest = SumReady(b"", b"")
        self._post = post
        self._parameters = parameters
        self._differences: OrderedDict[tuple[str, str], _Difference] = OrderedDict()

    def ours(self, root: bytes) -> tuple[bytes, bytes]:
        """Digests of the sum and of the weights over the records of a root; empty while they are not known."""
        return (self.latest.sum_digest, self.latest.weights_digest) if self.latest.root == root else (b"", b"")

    def compare(self, peer: str, root: bytes, theirs: PeerDigest) -> None:
        """Compare with a peer that holds exactly our records."""
        sum_digest, weights_digest = self.ours(root)
        self._compare(peer, root, "sum", sum_digest, theirs.sum_digest)
        self._compare(peer, root, "weights", weights_digest, theirs.weights_digest)

    def _compare(self, peer: str, root: bytes, what: str, ours: bytes, theirs: bytes) -> None:
        if not ours or not theirs:
            return
        if ours == theirs:
            self._differences.pop((peer, what), None)
            return
        known = self._differences.get((peer, what))
        if known is None or known.root != root:
            known = self._differences[peer, what] = _Difference(root, self._post.now_s)
            if len(self._differences) > DIVERGENCES_MAX:
                self._differences.popitem(last=False)
        known.reports += 1
        lasting = self._post.now_s - known.first_s >= self._parameters.divergence_s
        if lasting and known.reports >= DIVERGENCE_REPORTS and not known.told:
            known.told = True
            self._post.add(Diverged(peer, root, what, ours, theirs))
