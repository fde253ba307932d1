"""The experts that owners register for their domains."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expert:
    """An LLM behind an OpenAI-compatible URL that serves a domain."""

    owner: str = ""
    domain: str = ""
    url: str = ""
    model: str = ""
    price: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class RegisterExpertsRequest:
    """All experts of the caller, replacing those before."""

    experts: tuple[Expert, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterExpertsResponse:
    """Nothing to say."""
