"""The set of records as a Merkle trie: equal sets have equal roots, and two tries differ only where their records do.

A record lies at SHA-256 of its key, read nibble by nibble. A node with at most `LEAF_ENTRIES_MAX` records below it is a
leaf, any other has 16 children, so the shape follows from the set alone. Nodes never change: putting a record in makes
the nodes on its path anew and shares all others, which makes a copy free.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ridgeway.crypto.labels import GOSSIP_BRANCH, GOSSIP_LEAF, GOSSIP_POSITION
from ridgeway.gossip.limits import LEAF_ENTRIES_MAX
from ridgeway.proto.messages import RecordSummary

FAN_OUT = 16


@dataclass(frozen=True, slots=True)
class Place:
    """A record in the trie.

    Attributes:
        position: the nibbles of SHA-256 of the key, 64 bytes of 0 to 15.
        summary: of the record.
    """

    position: bytes
    summary: RecordSummary


@dataclass(frozen=True, slots=True)
class Leaf:
    """A few records, in the order of their positions, and the digest over them, 32 bytes."""

    places: tuple[Place, ...]
    digest: bytes

    @property
    def count(self) -> int:
        """How many records."""
        return len(self.places)


@dataclass(frozen=True, slots=True)
class Branch:
    """Sixteen children, one for each nibble, the digest over theirs, and how many records lie below."""

    children: "tuple[Node, ...]"
    digest: bytes
    count: int


Node = Leaf | Branch


def position(key: str) -> bytes:
    """Where a key lies: the 64 nibbles of SHA-256, one a byte."""
    digest = hashlib.sha256(GOSSIP_POSITION + key.encode()).digest()
    return bytes(nibble for byte in digest for nibble in (byte >> 4, byte & 15))


def leaf(places: tuple[Place, ...]) -> Leaf:
    """A leaf over records in the order of their positions."""
    digest = hashlib.sha256(GOSSIP_LEAF)
    for place in places:
        key = place.summary.key.encode()
        digest.update(struct.pack("<IQ", len(key), place.summary.sequence) + key + place.summary.digest)
    return Leaf(places, digest.digest())


def branch(children: tuple[Node, ...]) -> Branch:
    """A branch over sixteen nodes."""
    digest = hashlib.sha256(GOSSIP_BRANCH + b"".join(child.digest for child in children)).digest()
    return Branch(children, digest, sum(child.count for child in children))


EMPTY = leaf(())


def put(node: Node, place: Place, depth: int = 0) -> Node:
    """The trie with this record in place of the one under its key."""
    if isinstance(node, Branch):
        nibble = place.position[depth]
        child = put(node.children[nibble], place, depth + 1)
        return branch((*node.children[:nibble], child, *node.children[nibble + 1 :]))
    others = tuple(other for other in node.places if other.position != place.position)
    return build(sorted((*others, place), key=lambda each: each.position), depth)


def build(places: Iterable[Place], depth: int = 0) -> Node:
    """The trie over records in the order of their positions, which agree in their first `depth` nibbles."""
    here = tuple(places)
    if len(here) <= LEAF_ENTRIES_MAX:
        return leaf(here)
    groups: list[list[Place]] = [[] for _ in range(FAN_OUT)]
    for place in here:
        groups[place.position[depth]].append(place)
    return branch(tuple(build(group, depth + 1) for group in groups))


def trie_of(summaries: Iterable[RecordSummary]) -> Node:
    """The trie over summaries with different keys, in any order."""
    places = (Place(position(summary.key), summary) for summary in summaries)
    return build(sorted(places, key=lambda place: place.position))


def below(root: Node, prefix: bytes) -> Node:
    """The node at a prefix; where the trie ends above it, a leaf over what of that leaf has the prefix."""
    node = root
    for depth, nibble in enumerate(prefix):
        if isinstance(node, Leaf):
            return leaf(tuple(place for place in node.places if place.position[depth : len(prefix)] == prefix[depth:]))
        node = node.children[nibble]
    return node


def places_of(node: Node) -> Iterator[Place]:
    """All records below a node, in the order of their positions."""
    if isinstance(node, Leaf):
        yield from node.places
    else:
        for child in node.children:
            yield from places_of(child)
