"""The newest router: on disk, so that it survives everything, and in memory, ready to decide."""

import asyncio

from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.feature_map import Router, ready_router
from ridgeway.manifest import Manifest
from ridgeway.proto.router_artifact import decode_router
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
        arrived: set whenever the router was replaced.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self.router: Router | None = None
        self.arrived = asyncio.Event()

    @property
    def version(self) -> int:
        """The version that is served; 0 without one."""
        return self.router.router.version if self.router else 0

    @property
    def place(self) -> tuple[int, int]:
        """Version and edition of the router that is served; zeros without one."""
        return (self.router.router.version, self.router.router.edition) if self.router else (0, 0)

    @property
    def received_unix_ms(self) -> int:
        """When the router on disk arrived; 0 without one."""
        path = self._directory.path / ROUTER_FILE
        return path.stat().st_mtime_ns // 1_000_000 if path.exists() else 0

    def version_on_disk(self) -> int:
        """The version that the next start will serve; 0 without one.

        Raises:
            BadRouterArtifact: the file is damaged.
        """
        artifact = self._directory.read(ROUTER_FILE)
        return 0 if artifact is None else decode_router(artifact)[0].version

    def require(self) -> Router:
        """The router at hand.

        Raises:
            NoRouter: there is none yet.
        """
        if self.router is None:
            raise NoRouter("no router has arrived yet; run `ridgeway node`, which gets it once the federation has one")
        return self.router

    def load(self, embedder: Embedder, manifest: Manifest) -> None:
        """Take the router on disk, if there is one. Blocks.

        Raises:
            BadRouterArtifact, ForeignRouter: the file is damaged, or of another federation.
        """
        artifact = self._directory.read(ROUTER_FILE)
        if artifact is not None:
            self.router = _checked(artifact, embedder, manifest)
            self.arrived.set()

    async def replace(self, artifact: bytes, embedder: Embedder, manifest: Manifest) -> None:
        """Check a newer router, write it, and use it; an older one is ignored.

        Raises:
            BadRouterArtifact, ForeignRouter: it is refused and the present one stays.
        """
        router = await asyncio.to_thread(_checked, artifact, embedder, manifest)
        if (router.router.version, router.router.edition) > self.place:
            await asyncio.to_thread(self._directory.write, ROUTER_FILE, artifact)
            self.router = router
            self.arrived.set()

    def forget(self) -> None:
        """Drop the router of an earlier membership."""
        (self._directory.path / ROUTER_FILE).unlink(missing_ok=True)
        self.router = None


def _checked(artifact: bytes, embedder: Embedder, manifest: Manifest) -> Router:
    weights, _ = decode_router(artifact)
    if weights.manifest_digest != manifest.digest() or weights.weights.shape[0] != manifest.dimension:
        raise ForeignRouter("this router was made under another manifest; join again to get the federation's")
    return ready_router(weights, embedder, manifest)
