"""Where two tries differ, found level by level: each answer goes one level deeper, only below what differs.

Range-based set reconciliation (Meyer, "Range-Based Set Reconciliation", SRDS 2023) over the fixed ranges of a trie. The
steps keep no state between messages, so that loss, repetition and reordering cost a repetition at most.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from ridgeway.gossip.limits import LEAF_ENTRIES_MAX
from ridgeway.gossip.trie import Branch, Node, below, places_of
from ridgeway.proto.messages import RecordSummary, TriePart

# Below so many records it is cheaper to compare them one by one than to go deeper.
COMPARED_MAX = 4 * LEAF_ENTRIES_MAX

# Positions and digests of records whose payload is awaited, sorted.
Pending = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Findings:
    """What an answer brought to light.

    Attributes:
        parts: to be compared by the other side.
        theirs: what the other holds and we do not, or only an older one of.
        ours: what we hold and the other does not, or only an older one of.
        known: what we hold and the other is still fetching the payload of.
    """

    parts: list[TriePart] = field(default_factory=list)
    theirs: list[RecordSummary] = field(default_factory=list)
    ours: list[RecordSummary] = field(default_factory=list)
    known: list[RecordSummary] = field(default_factory=list)


def newer(one: RecordSummary, other: RecordSummary | None) -> bool:
    """Whether the one counts before the other of the same key."""
    return other is None or (one.sequence, one.digest) > (other.sequence, other.digest)


def opening(root: Node) -> TriePart:
    """The topmost place, with which a comparison begins."""
    return part(root, b"")


def part(node: Node, prefix: bytes, pending: Pending = ()) -> TriePart:
    """A place for the other side to compare."""
    if isinstance(node, Branch):
        return TriePart(prefix, children=tuple(child.digest for child in node.children))
    return TriePart(prefix, held=tuple(place.summary for place in node.places), pending=_awaited(pending, prefix))


def compare(root: Node, theirs: TriePart, pending: Pending, found: Findings) -> None:
    """Compare one place of the other side's trie with ours.

    Args:
        root: our trie.
        theirs: the place.
        pending: of records whose payload we await.
        found: takes what comes to light.
    """
    if not theirs.children:
        _compare_records(below(root, theirs.prefix), theirs, found)
        return
    for nibble, digest in enumerate(theirs.children):
        prefix = theirs.prefix + bytes([nibble])
        ours = below(root, prefix)
        if ours.digest != digest:
            found.parts.append(part(ours, prefix, pending))


def _compare_records(ours: Node, theirs: TriePart, found: Findings) -> None:
    if isinstance(ours, Branch) and ours.count > COMPARED_MAX:
        # Far more here than there: the other side goes down our children, and shows what it has below each.
        found.parts.append(part(ours, theirs.prefix))
        return
    mine = {place.summary.key: place.summary for place in places_of(ours)}
    held = {summary.key: summary for summary in theirs.held}
    awaited = set(theirs.pending)
    for summary in mine.values():
        if newer(summary, held.get(summary.key)):
            (found.known if summary.digest in awaited else found.ours).append(summary)
    found.theirs += [summary for summary in held.values() if newer(summary, mine.get(summary.key))]


def _awaited(pending: Pending, prefix: bytes) -> tuple[bytes, ...]:
    start = bisect_left(pending, (prefix, b""))
    inside = takewhile(lambda each: each[0].startswith(prefix), islice(pending, start, None))
    return tuple(digest for _, digest in inside)
