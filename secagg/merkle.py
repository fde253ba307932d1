"""Merkle trees over a cohort's advertisements: a root that fixes all of them, and short proofs of single ones.

Hashes and audit paths as RFC 9162, section 2.1.
"""

import hashlib
from collections.abc import Sequence


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """All levels of one tree; an unpaired hash moves up unchanged, which gives RFC 9162's tree.

    Args:
        leaves: at least one.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [[leaf_hash(leaf) for leaf in leaves]]
        while len(self._levels[-1]) > 1:
            level = self._levels[-1]
            above = [_parent(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
            self._levels.append(above + level[len(above) * 2 :])

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._levels[-1][0]

    def proof(self, position: int) -> tuple[bytes, ...]:
        """The hashes that lead from a leaf to the root, lowest first."""
        path = []
        for level in self._levels[:-1]:
            if (sibling := position ^ 1) < len(level):
                path.append(level[sibling])
            position //= 2
        return tuple(path)


def proves(leaf: bytes, position: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf stands at this position of a tree of this size with this root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= position < size:
        return False
    reached, last, rest = leaf_hash(leaf), size - 1, list(reversed(proof))
    while last:
        if position % 2 or position < last:
            if not rest:
                return False
            other = rest.pop()
            reached = _parent(other, reached) if position % 2 else _parent(reached, other)
        position //= 2
        last //= 2
    return not rest and reached == root
