"""What a coordinator shows over HTTP; needs the extra `http`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from ridgeway.proto import messages as m
from ridgeway.proto.status_document import federation_document
from ridgeway.web.coordinator_metrics import CoordinatorMetrics
from ridgeway.web.settings import HttpSettings
from ridgeway.web.site import Shown, served


class CoordinatorPage:
    """The status page and metrics of one coordinator.

    Attributes:
        metrics: hears what the coordinator does.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self.metrics = CoordinatorMetrics()

    @asynccontextmanager
    async def served(self, status: Callable[[], Awaitable[m.FederationStatus]]) -> AsyncIterator[str]:
        """Serve while the block runs; gives the URL.

        Raises:
            BadHttpSettings: the address is taken, or certificate and key cannot be used.
        """

        async def document() -> dict[str, Any]:
            federation = federation_document(await status())
            return {
                "role": "coordinator",
                "federation": federation,
                "node": None,
                "missing": None,
                "routers": self.metrics.routers.document(federation["trials"]),
            }

        async def metrics() -> bytes:
            return self.metrics.exposition_of(await status())

        async with served(self._settings, Shown(document, metrics, unready=lambda: "")) as url:
            yield url
