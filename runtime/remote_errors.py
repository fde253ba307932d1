"""Errors across gRPC: our exceptions become status codes on the server, and exceptions again on the client."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn

import grpc

from ridgeway.errors import RidgewayError
from ridgeway.runtime.interception import wrapped
from ridgeway.runtime.logs import described

_log = logging.getLogger("ridgeway.rpc")

StatusTable = Mapping[type[RidgewayError], grpc.StatusCode]


class Unreachable(RidgewayError):
    """Nobody answers at an address, or not in time."""


class Refused(RidgewayError):
    """The other side answered with a refusal.

    Attributes:
        code: its gRPC status.
    """

    def __init__(self, code: grpc.StatusCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Malformed(RidgewayError):
    """A request that lacks what it must have."""


def translated(error: grpc.aio.AioRpcError, address: str) -> RidgewayError:
    """The exception that says what a failed call means to the caller."""
    detail = (error.details() or "").strip()
    if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return Unreachable(f"{address} does not answer ({detail[:200] or error.code().name}); check that it runs")
    return Refused(error.code(), detail or error.code().name)


class RefusalInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Turns a RidgewayError into its status code and sentence; anything else into INTERNAL without its text.

    Args:
        table: status for exception types; the nearest base class counts.
        on_refusal: told the exception type's name and the method, for a counter.
    """

    def __init__(self, table: StatusTable, on_refusal: Callable[[str, str], None]) -> None:
        self._table = table
        self._on_refusal = on_refusal

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Wrap the method's behaviour."""
        handler = await continuation(details)
        if handler is None:
            return handler
        return wrapped(
            handler,
            lambda behaviour: self._unary(behaviour, details.method),
            lambda behaviour: self._streaming(behaviour, details.method),
        )

    def _unary(self, behaviour: Any, method: str) -> Any:
        async def run(request: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                return await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - the border to the network: no text of an unknown error may cross
                await self._abort(error, context, method)

        return run

    def _streaming(self, behaviour: Any, method: str) -> Any:
        async def run(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            try:
                async for response in behaviour(request, context):
                    yield response
            except Exception as error:  # noqa: BLE001 - the border to the network: no text of an unknown error may cross
                await self._abort(error, context, method)

        return run

    async def _abort(self, error: Exception, context: grpc.aio.ServicerContext, method: str) -> NoReturn:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        self._on_refusal(type(error).__name__, method)
        if isinstance(error, RidgewayError):
            _log.info("refused %s: %s: %s", method, type(error).__name__, error)
            await context.abort(self._status(error), str(error))
        _log.error("failed in %s: %s", method, described(error))
        await context.abort(grpc.StatusCode.INTERNAL, "the server failed; its log says why")
        raise AssertionError("abort always raises")

    def _status(self, error: RidgewayError) -> grpc.StatusCode:
        for base in type(error).__mro__:
            if base in self._table:
                return self._table[base]
        return grpc.StatusCode.FAILED_PRECONDITION
