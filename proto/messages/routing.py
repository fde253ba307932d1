"""Routing prompts."""

from dataclasses import dataclass, field

from ridgeway.proto.messages.experts import Expert


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """One prompt."""

    prompt: str = field(default="", repr=False)
    top_k: int = 0
    min_confidence: float = 0.0
    fallback: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True)
class RouteBatchRequest:
    """Many prompts."""

    prompts: tuple[str, ...] = field(default=(), repr=False)
    top_k: int = 0
    min_confidence: float = 0.0
    fallback: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True)
class DomainVote:
    """What speaks for one domain."""

    domain: str = ""
    votes: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a prompt goes, and how sure the router is."""

    domain: str = ""
    confidence: float = 0.0
    votes: tuple[DomainVote, ...] = ()
    expert: Expert | None = None
    router_version: int = 0
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class RouteResponse:
    """The decision for one prompt."""

    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """Exactly one of the two."""

    decision: Decision | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class RouteBatchResponse:
    """The outcomes in the order of the prompts."""

    entries: tuple[BatchEntry, ...] = ()
