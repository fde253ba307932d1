"""The router as everyone receives it: weights, domains, experts and what it was solved from."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Expert:
    """An LLM behind an OpenAI-compatible URL that serves a domain.

    Attributes:
        owner: who offers it.
        domain: what it serves.
        url: base URL, http or https.
        model: the model's name there; may be empty.
    """

    owner: str
    domain: str
    url: str
    model: str


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
    """

    version: int
    domains: tuple[str, ...]
    weights: npt.NDArray[np.float64] = field(repr=False)
    ridge: float
    sum_digest: bytes
    manifest_digest: bytes
    experts: tuple[Expert, ...] = ()
