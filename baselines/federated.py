"""Ridgeway itself as one of the methods: what owners send is a contribution each, along the path of the daemons."""

from collections.abc import Mapping, Sequence

from ridgeway import triangle
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.feature_map import Accumulator, Router, accumulator
from ridgeway.manifest import Manifest
from ridgeway.proto.router_artifact import encode_router
from ridgeway.routing import Decision
from ridgeway.training import train

_BATCH = 1024


class NotTrained(RidgewayError):
    """A method that is asked before it has learnt."""


class Federated:
    """A federation in which every domain has one owner.

    Args:
        name: for tables and figures.
        embedder: everyone's.
        manifest: what they agree on.
    """

    def __init__(self, name: str, embedder: Embedder, manifest: Manifest) -> None:
        self.name = name
        self._embedder = embedder
        self._manifest = manifest
        self._router: Router | None = None
        self._domains: tuple[str, ...] = ()

    @property
    def router(self) -> Router:
        """What was trained.

        Raises:
            NotTrained: nothing was.
        """
        if self._router is None:
            raise NotTrained("this federation has no router yet; train it first")
        return self._router

    def train(self, prompts: Mapping[str, Sequence[str]]) -> None:
        """Count, encode, check, add, solve."""
        added = ((domain, self._added(texts)) for domain, texts in prompts.items())
        self._router, self._domains = train(added, self._embedder, self._manifest), tuple(prompts)

    def _added(self, texts: Sequence[str]) -> Accumulator:
        rows = accumulator(self._manifest, self._embedder)
        for start in range(0, len(texts), _BATCH):
            rows.add(self._embedder.encode_batch(texts[start : start + _BATCH]))
        return rows

    def choose(self, prompts: Sequence[str]) -> list[str | None]:
        """Where the router sends each prompt."""
        outcomes = (
            outcome
            for start in range(0, len(prompts), _BATCH)
            for outcome in self.router.route_batch(prompts[start : start + _BATCH])
        )
        return [outcome.domain if isinstance(outcome, Decision) else None for outcome in outcomes]

    def router_bytes(self) -> int:
        """The router as it is broadcast."""
        return len(encode_router(self.router.router, 0))

    def sent_bytes(self) -> dict[str, int]:
        """One contribution each, at eight bytes a number, the most that one takes."""
        return dict.fromkeys(self._domains, 8 * triangle.length(self._manifest.dimension))
