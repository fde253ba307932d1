"""Contributions and withdrawals, signed, and how they are sent."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A body exactly as signed, and the signature."""

    body: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class ContributionBody:
    """One owner's statistics for one domain: everything but the payload."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    domain: str = ""
    sequence: int = 0
    manifest_digest: bytes = b""
    rows: int = 0
    payload_bytes: int = 0
    chunk_digests: tuple[bytes, ...] = ()
    bytes_per_number: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class WithdrawalBody:
    """A domain, or the whole owner, goes out of the sum."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    domain: str = ""
    sequence: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class PayloadChunk:
    """One 512 KiB piece of a payload; the last may be shorter."""

    index: int = 0
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ContributeRequest:
    """Exactly one of the two: first the record, then its chunks in order."""

    record: SignedRecord | None = None
    chunk: PayloadChunk | None = None


@dataclass(frozen=True, slots=True)
class UploadReady:
    """The chunk that the coordinator wants next."""

    next_chunk: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """The contribution is durable and in the sum."""

    sequence: int = 0
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class ContributeResponse:
    """Exactly one of the two."""

    ready: UploadReady | None = None
    committed: Committed | None = None


@dataclass(frozen=True, slots=True)
class WithdrawResponse:
    """The withdrawal is durable and out of the sum."""

    sequence: int = 0
    sum_digest: bytes = b""
    repeated: bool = False
