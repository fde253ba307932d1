"""The newest router: on disk, so that it survives everything, and in memory, ready to decide."""

import asyncio

from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.proto.router_artifact import decode_router
from ridgeway.routing import TokenRouter
from ridgeway.runtime.data_dir import DataDirectory

ROUTER_FILE = "router.bin"


class NoRouter(RidgewayError):
    """No router has arrived yet."""


class ForeignRouter(RidgewayError):
    """A router made under another manifest."""


class RouterStore:
    """Where the newest router is kept.

    Attributes:
        router: ready to decide, or None before the first; replaced as a whole, so a call in progress keeps its own.
        published_unix_ms: when the coordinator published it.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self.router: TokenRouter | None = None
        self.published_unix_ms = 0

    @property
    def version(self) -> int:
        """The version at hand; 0 without one."""
        return self.router.router.version if self.router else 0

    def require(self) -> TokenRouter:
        """The router at hand.

        Raises:
            NoRouter: there is none yet.
        """
        if self.router is None:
            raise NoRouter("no router has arrived yet; it comes once the federation has a contribution")
        return self.router

    def load(self, embedder: Embedder, manifest: Manifest) -> None:
        """Take the router on disk, if there is one. Blocks.

        Raises:
            BadRouterArtifact, ForeignRouter: the file is damaged, or of another federation.
        """
        artifact = self._directory.read(ROUTER_FILE)
        if artifact is not None:
            self._take(artifact, embedder, manifest)

    async def replace(self, artifact: bytes, embedder: Embedder, manifest: Manifest) -> None:
        """Check a newer router, write it, and use it; an older one is ignored.

        Raises:
            BadRouterArtifact, ForeignRouter, EmbedderMismatch: it is refused and the present one stays.
        """
        weights, _ = decode_router(artifact)
        if weights.version > self.version:
            await asyncio.to_thread(self._take, artifact, embedder, manifest)
            await asyncio.to_thread(self._directory.write, ROUTER_FILE, artifact)

    def forget(self) -> None:
        """Drop the router of an earlier membership."""
        (self._directory.path / ROUTER_FILE).unlink(missing_ok=True)
        self.router = None

    def _take(self, artifact: bytes, embedder: Embedder, manifest: Manifest) -> None:
        weights, published = decode_router(artifact)
        if weights.manifest_digest != manifest.digest():
            raise ForeignRouter("this router was made under another manifest; join again to get the federation's")
        self.router = TokenRouter(weights, embedder, manifest.routing)
        self.published_unix_ms = published
