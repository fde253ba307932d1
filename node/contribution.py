"""From one domain's prompts to a signed record and a payload on disk, ready to be sent and sent again."""

from collections.abc import Callable
from pathlib import Path

from ridgeway.contribution_check import check_contribution
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.payload_digest import chunk_digests, payload_digest
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.node.counting import count_tokens
from ridgeway.node.prompts import PromptSource, ReadReport, source_fingerprint
from ridgeway.node.state import NodeState, Prepared
from ridgeway.proto.messages import ContributionBody
from ridgeway.proto.records import RECORD_VERSION, sign_contribution
from ridgeway.runtime.data_dir import write_durably
from ridgeway.statistics import encode_contribution, gram


class DomainError(RidgewayError):
    """A domain whose contribution cannot be made."""


def prepare(
    state: NodeState,
    payloads: Path,
    key: IdentityKey,
    embedder: Embedder,
    domain: str,
    source: PromptSource,
    on_progress: Callable[[ReadReport], None],
) -> Prepared:
    """Compute a domain's statistics and write record and payload durably. Blocks.

    Raises:
        DomainError: the prompts cannot be read, hold no token, or do not fit the head-room.
    """
    manifest = Manifest.from_json(state.require_membership().manifest_json.encode())
    fingerprint = source_fingerprint(source)
    try:
        statistics = gram(count_tokens(source, embedder, on_progress), embedder)
        vector = encode_contribution(statistics, manifest.mass, manifest.fraction_bits)
        check_contribution(vector, manifest.dimension, manifest.mass, manifest.fraction_bits, statistics.rows)
    except RidgewayError as error:
        raise DomainError(f"domain {domain}: {error}") from error
    payload = vector.astype("<i8", copy=False).tobytes()
    digests = chunk_digests(payload)
    name = payload_digest(len(payload), digests).hex()
    write_durably(payloads / name, payload)
    return sign_and_keep(state, key, manifest, domain, statistics.rows, name, fingerprint, len(payload), tuple(digests))


def sign_and_keep(
    state: NodeState,
    key: IdentityKey,
    manifest: Manifest,
    domain: str,
    rows: int,
    payload: str,
    fingerprint: str,
    payload_bytes: int,
    digests: tuple[bytes, ...],
) -> Prepared:
    """Sign a payload that is on disk under the next sequence number, and keep the record."""
    body = ContributionBody(
        format_version=RECORD_VERSION,
        federation_id=manifest.federation_id,
        owner=state.require_membership().owner,
        domain=domain,
        sequence=state.next_sequence,
        manifest_digest=manifest.digest(),
        rows=rows,
        payload_bytes=payload_bytes,
        chunk_digests=digests,
    )
    record = sign_contribution(key, body)
    prepared = Prepared(domain, body.sequence, record, rows, payload, fingerprint, committed=False)
    state.prepare(prepared)
    return prepared


def remove_unnamed(state: NodeState, payloads: Path) -> None:
    """Forget payloads that no record names any more."""
    named = {prepared.payload for prepared in state.contributions().values()}
    for path in payloads.iterdir():
        if path.name not in named:
            path.unlink()
