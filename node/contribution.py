"""From one domain's prompts to a payload on disk and the body that is signed for it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeway.contribution_check import check_contribution
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.payload_digest import chunk_digests, payload_digest
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.feature_map import accumulator
from ridgeway.features import Features
from ridgeway.hold_out import HoldOut
from ridgeway.manifest import Manifest, PrivacySettings
from ridgeway.narrow_integers import WIDTH_MAX, pack, smallest_width, unpack
from ridgeway.node.brought_statistics import BroughtStatistics
from ridgeway.node.counting import add_prompts
from ridgeway.node.hold_outs import HoldOuts
from ridgeway.node.prompts import PromptSource, ReadReport, source_fingerprint
from ridgeway.node.prompts.source import STATISTICS
from ridgeway.node.state import Prepared, Release, Sign
from ridgeway.privacy.agreement import check_agreed
from ridgeway.privacy.budget import Budget
from ridgeway.privacy.contribution import encode_moment, with_noise
from ridgeway.proto.codec import decode
from ridgeway.proto.messages import ContributionBody
from ridgeway.proto.records import RECORD_VERSION, open_contribution, sign_contribution
from ridgeway.runtime.data_dir import write_durably
from ridgeway.statistics import DomainStatistics, encode_contribution


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
        release: what it reveals, under differential privacy.
    """

    rows: int
    payload: str
    payload_bytes: int
    bytes_per_number: int
    chunk_digests: tuple[bytes, ...]
    source_fingerprint: str
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every contribution of a node is made with.

    Attributes:
        payloads: the folder for payloads.
        hold_outs: where held-out prompts are kept.
        brought: where statistics are that were made elsewhere.
        hold_out_key: the node's secret for choosing them.
        hold_out: the share of prompts to hold out.
        releases: what was released under differential privacy, by domain.
    """

    payloads: Path
    hold_outs: HoldOuts
    brought: BroughtStatistics
    hold_out_key: bytes = field(repr=False)
    hold_out: float
    releases: Mapping[str, Release]


def compute(
    workshop: Workshop,
    manifest: Manifest,
    embedder: Embedder,
    domain: str,
    source: PromptSource,
    on_progress: Callable[[ReadReport], None],
) -> Computed:
    """Count, multiply, encode and check one domain, and write its hold-out and its payload durably. Blocks.

    Of statistics that were brought nothing is counted.

    Raises:
        DomainError: prompts or statistics cannot be read, hold no token, do not fit, or their budget is spent.
    """
    try:
        fingerprint = source_fingerprint(source)
        if source.location.startswith(STATISTICS):
            statistics, held_out = _brought(workshop, manifest, embedder, source)
        else:
            statistics, held_out = _counted(workshop, manifest, embedder, source, on_progress)
        if manifest.privacy:
            return _private(workshop, manifest, manifest.privacy, domain, statistics, fingerprint)
        vector = encode_contribution(statistics, manifest.mass, manifest.fraction_bits)
        check_contribution(vector, manifest.dimension, manifest.mass, manifest.fraction_bits, statistics.rows)
    except RidgewayError as error:
        raise DomainError(f"domain {domain}: {error}") from error
    computed = _described(vector, statistics.rows, fingerprint)
    workshop.hold_outs.write(computed.payload, held_out)
    write_durably(workshop.payloads / computed.payload, pack(vector, computed.bytes_per_number))
    return computed


def _counted(
    workshop: Workshop,
    manifest: Manifest,
    embedder: Embedder,
    source: PromptSource,
    on_progress: Callable[[ReadReport], None],
) -> tuple[DomainStatistics, Sequence[Sequence[int]]]:
    # Counts of a hold-out are exact, so under differential privacy nothing is held out.
    hold_out = HoldOut(workshop.hold_out_key, 0.0 if manifest.privacy else workshop.hold_out)
    rows = accumulator(manifest, embedder)
    add_prompts(source, embedder, rows, on_progress, hold_out)
    return rows.statistics(), hold_out.prompts()


def _brought(
    workshop: Workshop, manifest: Manifest, embedder: Embedder, source: PromptSource
) -> tuple[DomainStatistics, Sequence[Sequence[int]]]:
    brought = workshop.brought.read(source)
    brought.features.check_same(Features.of(manifest))
    rows = accumulator(manifest, embedder)
    rows.merge(brought.sums)
    return rows.statistics(), brought.hold_out


def _described(vector: npt.NDArray[np.int64], rows: int, fingerprint: str) -> Computed:
    """What a vector's payload is, and is called."""
    width = smallest_width(vector)
    payload = pack(vector, width)
    digests = chunk_digests(payload)
    name = payload_digest(len(payload), digests).hex()
    return Computed(rows, name, len(payload), width, tuple(digests), fingerprint)


def _private(
    workshop: Workshop,
    manifest: Manifest,
    settings: PrivacySettings,
    domain: str,
    statistics: DomainStatistics,
    fingerprint: str,
) -> Computed:
    """The moment with noise; if the newest release says the same, that one, which costs nothing.

    Raises:
        PrivacyError: the budget is spent, or the manifest promises more than its noise gives.
    """
    check_agreed(settings)
    moment = encode_moment(statistics, manifest.layout)
    said = hashlib.sha256(manifest.digest() + moment.astype("<i8").tobytes()).hexdigest()
    before = workshop.releases.get(domain)
    if before is not None and before.statistics_sha256 == said:
        vector = unpack((workshop.payloads / before.payload).read_bytes(), before.bytes_per_number)
        return _described(vector, statistics.rows, fingerprint)
    budget = Budget(settings.limit, before.spent if before else 0.0).spend(settings.cost)
    vector = with_noise(moment, manifest.layout, settings.cost)
    computed = _described(vector, statistics.rows, fingerprint)
    write_durably(workshop.payloads / computed.payload, pack(vector, computed.bytes_per_number))
    release = Release(budget.spent, said, computed.payload, computed.bytes_per_number)
    return replace(computed, release=release)


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
