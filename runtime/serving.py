"""A gRPC server with health, reflection and an orderly end."""

from collections.abc import Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ridgeway.runtime.bystanders import BystanderLimit
from ridgeway.runtime.channel_options import IDLE_MS, server_options

# Running calls get this long to end once shutdown began; an upload of hundreds of MB needs no more.
GRACE_S = 10.0


class Server:
    """One listener: services, health (grpc.health.v1) and reflection.

    Args:
        services: by name.
        interceptors: the outermost first.
        idle_ms: a connection without a call for this long is closed.
    """

    def __init__(
        self,
        services: dict[str, grpc.GenericRpcHandler],
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        idle_ms: int = IDLE_MS,
    ) -> None:
        self.grpc = grpc.aio.server(interceptors=(*interceptors, BystanderLimit()), options=server_options(idle_ms))
        self._health = health.aio.HealthServicer()
        self._names = tuple(services)
        self.grpc.add_generic_rpc_handlers(tuple(services.values()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        reflection.enable_server_reflection((*services, health.SERVICE_NAME, reflection.SERVICE_NAME), self.grpc)

    async def start(self) -> None:
        """Begin to serve, and say so to health checks."""
        await self.grpc.start()
        for name in (*self._names, health.OVERALL_HEALTH):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Take no new calls, let running ones end within the grace, then cancel them."""
        await self._health.enter_graceful_shutdown()
        await self.grpc.stop(GRACE_S)
