"""What no honest peer's frame contains, found before anything is done with it."""

from collections.abc import Iterable

from ridgeway.errors import RidgewayError
from ridgeway.gossip.limits import (
    CHUNK_PLACES_MAX,
    KEY_CHARACTERS_MAX,
    OFFERS_MAX,
    PARTS_MAX,
    PREFIX_MAX,
    RECORD_BYTES_MAX,
    SYNC_UPDATES_MAX,
    UPDATES_MAX,
    WANTS_MAX,
)
from ridgeway.gossip.trie import FAN_OUT
from ridgeway.proto.messages import GossipRecord, PeerDigest, PeerFrame, Reconciliation, RecordSummary, TriePart

DIGEST_BYTES = 32
SEQUENCE_MAX = 1 << 62
SIGNATURE_BYTES_MAX = 4096


class ImproperFrame(RidgewayError):
    """A frame beyond the protocol's bounds."""


def check_frame(frame: PeerFrame) -> None:
    """Check everything in a frame that has a bound.

    Raises:
        ImproperFrame: something is beyond it.
    """
    _require(len(frame.updates) <= SYNC_UPDATES_MAX + UPDATES_MAX, "too many pieces of news")
    if frame.digest is not None:
        _check_digest(frame.digest)
    if frame.reconciliation is not None:
        _check_reconciliation(frame.reconciliation)
    if frame.chunk_request is not None:
        _require(len(frame.chunk_request.places) <= CHUNK_PLACES_MAX, "too many chunks asked for")


def _check_digest(digest: PeerDigest) -> None:
    _require(len(digest.root) == DIGEST_BYTES, "a root that is no SHA-256")
    _check_parts(digest.parts)
    _check_records(digest.fresh)


def _check_reconciliation(step: Reconciliation) -> None:
    _check_parts(step.parts)
    _check_records(step.records)
    _require(len(step.offers) <= OFFERS_MAX and len(step.wants) <= WANTS_MAX, "too many keys")
    _check_summaries(step.offers)
    _require(all(0 < len(key) <= KEY_CHARACTERS_MAX for key in step.wants), "an improper key")


def _check_parts(parts: tuple[TriePart, ...]) -> None:
    _require(len(parts) <= PARTS_MAX, "too many places of the trie")
    for part in parts:
        _require(len(part.prefix) <= PREFIX_MAX and all(nibble < FAN_OUT for nibble in part.prefix), "no prefix")
        _require(len(part.children) in {0, FAN_OUT}, "a place of the trie with too few or too many children")
        _require(not part.children or len(part.prefix) < PREFIX_MAX, "children below the last nibble")
        _check_digests(part.children)
        _check_summaries(part.held)


def _check_summaries(summaries: Iterable[RecordSummary]) -> None:
    for summary in summaries:
        _check_key(summary.key, summary.sequence)
        _require(len(summary.digest) == DIGEST_BYTES, "a digest that is no SHA-256")


def _check_records(records: Iterable[GossipRecord]) -> None:
    for record in records:
        _check_key(record.key, record.sequence)
        _require(len(record.body) <= RECORD_BYTES_MAX, "a record that is too long")
        _require(len(record.signature) <= SIGNATURE_BYTES_MAX, "a signature that is too long")


def _check_digests(digests: Iterable[bytes]) -> None:
    _require(all(len(digest) == DIGEST_BYTES for digest in digests), "a digest that is no SHA-256")


def _check_key(key: str, sequence: int) -> None:
    _require(0 < len(key) <= KEY_CHARACTERS_MAX and 0 < sequence <= SEQUENCE_MAX, "an improper key or sequence number")


def _require(proper: bool, what: str) -> None:
    if not proper:
        raise ImproperFrame(f"it sent {what}")
