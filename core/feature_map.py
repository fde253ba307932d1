"""The two feature maps behind one door: how prompts become statistics, and weights a router that decides."""

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from ridgeway.embedder import Embedder
from ridgeway.manifest import FeatureMap, Manifest
from ridgeway.pooled import PooledGram
from ridgeway.pooled_routing import PooledRouter
from ridgeway.router import RouterWeights
from ridgeway.routing import TokenRouter
from ridgeway.statistics import DomainStatistics, Sums, TokenGram, Tokenised

Router: TypeAlias = TokenRouter | PooledRouter


class Accumulator(Protocol):
    """Adds up one domain's prompts; what comes out depends on no order, and on no division into parts."""

    def add(self, encodings: Iterable[Tokenised]) -> None:
        """Add the rows of a batch of prompts."""

    def sums(self) -> Sums:
        """Everything added, so that it can be merged elsewhere."""

    def merge(self, sums: Sums) -> None:
        """Add what another accumulator's `sums` were."""

    def statistics(self) -> DomainStatistics:
        """The Gram matrix of everything added.

        Raises:
            NoTokens: nothing was.
        """


def accumulator(manifest: Manifest, embedder: Embedder) -> Accumulator:
    """Adds up prompts as the manifest's feature map wants it."""
    if manifest.feature_map is FeatureMap.POOLED:
        return PooledGram(embedder, manifest.pooled)
    return TokenGram(embedder)


def ready_router(weights: RouterWeights, embedder: Embedder, manifest: Manifest) -> Router:
    """A router that decides as the manifest's feature map wants it.

    Raises:
        EmbedderMismatch: the weights are for rows of another length.
    """
    if manifest.feature_map is FeatureMap.POOLED:
        return PooledRouter(weights, embedder, manifest.pooled)
    return TokenRouter(weights, embedder, weights.routing or manifest.routing)
