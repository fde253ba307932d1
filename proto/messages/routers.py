"""The router feed, a router as it is sent and kept, and trials of it."""

from dataclasses import dataclass, field

from ridgeway.proto.messages.experts import Expert


@dataclass(frozen=True, slots=True)
class WatchRouterRequest:
    """Follow the router feed from the version at hand."""

    known_version: int = 0
    known_edition: int = 0


@dataclass(frozen=True, slots=True)
class RouterChunk:
    """A piece of a router artifact."""

    version: int = 0
    total_bytes: int = 0
    offset: int = 0
    data: bytes = field(default=b"", repr=False)
    edition: int = 0


@dataclass(frozen=True, slots=True)
class RouterArtifact:
    """A router as it travels and as it lies on disk."""

    version: int = 0
    domains: tuple[str, ...] = ()
    dimension: int = 0
    weights: bytes = field(default=b"", repr=False)
    ridge: float = 0.0
    sum_digest: bytes = b""
    manifest_digest: bytes = b""
    experts: tuple[Expert, ...] = ()
    published_unix_ms: int = 0
    edition: int = 0
    inverse_temperature: float = 0.0
    calibration_prompts: int = 0
    calibration_error: float = 0.0
    rule: str = ""
    top_k: int = 0


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """How one way to decide did on one domain's hold-out."""

    chosen: tuple[int, ...] = ()
    confidence: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class DomainTrial:
    """How a router did on one domain's hold-out."""

    domain: str = ""
    ways: tuple[TrialCounts, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialReport:
    """How a router did on an owner's hold-outs."""

    router_version: int = 0
    router_domains: tuple[str, ...] = ()
    domains: tuple[DomainTrial, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialResponse:
    """Whether a trial counts."""

    counted: bool = False
