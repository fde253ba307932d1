"""From one domain's prompts to a payload on disk and the body that is signed for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeway.contribution_check import check_contribution
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.payload_digest import chunk_digests, payload_digest
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.feature_map import accumulator
from ridgeway.hold_out import HoldOut
from ridgeway.manifest import Manifest
from ridgeway.narrow_integers import WIDTH_MAX, pack, smallest_width, unpack
from ridgeway.node.counting import add_prompts
from ridgeway.node.hold_outs import HoldOuts
from ridgeway.node.prompts import PromptSource, ReadReport, source_fingerprint
from ridgeway.node.state import Prepared, Sign
from ridgeway.proto.codec import decode
from ridgeway.proto.messages import ContributionBody
from ridgeway.proto.records import RECORD_VERSION, open_contribution, sign_contribution
from ridgeway.runtime.data_dir import write_durably
from ridgeway.statistics import encode_contribution


class DomainError(RidgewayError):
    """A domain whose contribution cannot be made."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A domain's statistics, written as a payload named by its content.

    Attributes:
        rows: rows of X.
        payload: the file's name.
        payload_bytes: its length.
        bytes_per_number: the fewest that hold every number.
        chunk_digests: of its chunks.
        source_fingerprint: of the files, taken before they were read, so that a change meanwhile is seen later.
    """

    rows: int
    payload: str
    payload_bytes: int
    bytes_per_number: int
    chunk_digests: tuple[bytes, ...]
    source_fingerprint: str


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every contribution of a node is made with.

    Attributes:
        payloads: the folder for payloads.
        hold_outs: where held-out prompts are kept.
        hold_out_key: the node's secret for choosing them.
        hold_out: the share of prompts to hold out.
    """

    payloads: Path
    hold_outs: HoldOuts
    hold_out_key: bytes = field(repr=False)
    hold_out: float


def compute(
    workshop: Workshop,
    manifest: Manifest,
    embedder: Embedder,
    domain: str,
    source: PromptSource,
    on_progress: Callable[[ReadReport], None],
) -> Computed:
    """Count, multiply, encode and check one domain, and write its hold-out and its payload durably. Blocks.

    Raises:
        DomainError: the prompts cannot be read, hold no token, or do not fit the head-room.
    """
    try:
        fingerprint = source_fingerprint(source)
        rows, hold_out = accumulator(manifest, embedder), HoldOut(workshop.hold_out_key, workshop.hold_out)
        add_prompts(source, embedder, rows, on_progress, hold_out)
        statistics = rows.statistics()
        vector = encode_contribution(statistics, manifest.mass, manifest.fraction_bits)
        check_contribution(vector, manifest.dimension, manifest.mass, manifest.fraction_bits, statistics.rows)
    except RidgewayError as error:
        raise DomainError(f"domain {domain}: {error}") from error
    width = smallest_width(vector)
    payload = pack(vector, width)
    digests = chunk_digests(payload)
    name = payload_digest(len(payload), digests).hex()
    workshop.hold_outs.write(name, hold_out.prompts())
    write_durably(workshop.payloads / name, payload)
    return Computed(statistics.rows, name, len(payload), width, tuple(digests), fingerprint)


def computed_before(prepared: Prepared, key: IdentityKey) -> Computed:
    """What a record of ours was signed for, to sign it again."""
    body = open_contribution(prepared.record, key.public_bytes)
    return Computed(
        prepared.rows,
        prepared.payload,
        body.payload_bytes,
        body.bytes_per_number,
        body.chunk_digests,
        prepared.source_fingerprint,
    )


def numbers(payloads: Path, prepared: Prepared) -> npt.NDArray[np.int64]:
    """The packed triangle of a prepared contribution, int64[D (D + 1) / 2], from our own file."""
    body = decode(ContributionBody, prepared.record.body)
    return unpack((payloads / prepared.payload).read_bytes(), body.bytes_per_number or WIDTH_MAX)


def signer(key: IdentityKey, owner: str, manifest: Manifest, domain: str, computed: Computed) -> Sign:
    """Signs a computed payload under the sequence number it is given."""
    return lambda sequence: sign_contribution(
        key,
        ContributionBody(
            format_version=RECORD_VERSION,
            federation_id=manifest.federation_id,
            owner=owner,
            domain=domain,
            sequence=sequence,
            manifest_digest=manifest.digest(),
            rows=computed.rows,
            payload_bytes=computed.payload_bytes,
            chunk_digests=computed.chunk_digests,
            bytes_per_number=computed.bytes_per_number,
        ),
    )
