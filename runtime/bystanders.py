"""Health checks and reflection are open to whoever reaches a listener, so there is a bound on how many run at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from ridgeway.runtime.interception import wrapped

# A few load balancers and people; each may keep a stream open for ever.
BYSTANDERS_MAX = 64
_OURS = "/ridgeway."


class BystanderLimit(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls of services that are not Ridgeway's beyond the bound."""

    def __init__(self) -> None:
        self._running = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Wrap the method's behaviour, if it is not ours."""
        handler = await continuation(details)
        if handler is None or details.method.startswith(_OURS):
            return handler
        return wrapped(handler, self._unary, self._streaming)

    def _unary(self, behaviour: Any) -> Any:
        async def run(request: Any, context: grpc.aio.ServicerContext) -> Any:
            async with self._counted(context):
                return await behaviour(request, context)

        return run

    def _streaming(self, behaviour: Any) -> Any:
        async def run(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            async with self._counted(context):
                async for response in behaviour(request, context):
                    yield response

        return run

    @asynccontextmanager
    async def _counted(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        if self._running >= BYSTANDERS_MAX:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many health checks at once; end some of them")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
