"""The router as everyone receives it: weights, domains, experts and what it was solved from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway.calibration import Calibration
from ridgeway.manifest import RoutingSettings


@dataclass(frozen=True, slots=True)
class Expert:
    """An LLM behind an OpenAI-compatible URL that serves a domain.

    Attributes:
        owner: who offers it.
        domain: what it serves.
        url: base URL, http or https.
        model: the model's name there; may be empty.
        price: per million tokens, in the federation's currency; None: not known.
        latency_ms: as its owner's node measured it; None: not known.
    """

    owner: str
    domain: str
    url: str
    model: str
    price: float | None = None
    latency_ms: float | None = None

    @property
    def rank(self) -> tuple[str, str, str, float, float]:
        """What orders the experts of one domain, alike at everyone: owner, URL, model, price, latency; unknown last."""
        price = math.inf if self.price is None else self.price
        return self.owner, self.url, self.model, price, math.inf if self.latency_ms is None else self.latency_ms


def served_by(experts: Iterable[Expert]) -> dict[str, Expert]:
    """The expert of each domain; of several the first by rank."""
    ordered = sorted(experts, key=lambda expert: expert.rank, reverse=True)
    return {expert.domain: expert for expert in ordered}


@dataclass(frozen=True, slots=True, eq=False)
class RouterWeights:
    """One version of the router.

    Attributes:
        version: grows with every publication.
        domains: the K domains, in the order of the columns.
        weights: W, float64, D x K; the last row is the bias.
        ridge: the ridge it was solved with.
        sum_digest: SHA-256 of the sum it was solved from.
        manifest_digest: SHA-256 of the manifest.
        experts: every expert of the federation.
        calibration: what scores say about the chance of being right; None before anything was measured.
        routing: the way to decide that the hold-outs chose, where the manifest leaves it open.
        edition: of this version; grows when the hold-outs taught something new about it.
    """

    version: int
    domains: tuple[str, ...]
    weights: npt.NDArray[np.float64] = field(repr=False)
    ridge: float
    sum_digest: bytes
    manifest_digest: bytes
    experts: tuple[Expert, ...] = ()
    calibration: Calibration | None = None
    routing: RoutingSettings | None = None
    edition: int = 0
