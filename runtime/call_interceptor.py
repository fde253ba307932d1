"""What every call to a server goes through first: it gets its request id, is traced, timed and counted."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import grpc

from ridgeway.runtime import request_id, tracing
from ridgeway.runtime.interception import wrapped


class CallObserver(Protocol):
    """Told of every call; methods are paths like /ridgeway.v1.Routing/Route."""

    def call_began(self, method: str) -> None:
        """A call came in."""

    def call_ended(self, method: str, code: str, seconds: float, *, streamed: bool) -> None:
        """It has ended with this gRPC status; a streamed answer took as long as the caller wished."""


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """The outermost interceptor of a server."""

    def __init__(self, observer: CallObserver) -> None:
        self._observer = observer

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
            with self._watched(method, context, streamed=False):
                return await behaviour(request, context)

        return run

    def _streaming(self, behaviour: Any, method: str) -> Any:
        async def run(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            with self._watched(method, context, streamed=True):
                async for response in behaviour(request, context):
                    yield response

        return run

    @contextmanager
    def _watched(self, method: str, context: grpc.aio.ServicerContext, *, streamed: bool) -> Iterator[None]:
        metadata = context.invocation_metadata()
        request_id.begin(request_id.received(metadata))
        self._observer.call_began(method)
        # A caller that goes away ends a unary call by cancelling it and a stream by closing it.
        code, began = grpc.StatusCode.CANCELLED.name, time.perf_counter()
        try:
            with tracing.serving(method, metadata):
                yield
            code = grpc.StatusCode.OK.name
        except Exception:
            code = _name(context.code())
            raise
        finally:
            self._observer.call_ended(method, code, time.perf_counter() - began, streamed=streamed)


_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


def _name(code: int | grpc.StatusCode | None) -> str:
    """The status that a failed call was ended with; one that failed without is UNKNOWN to its caller."""
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return _NAMES.get(number or grpc.StatusCode.UNKNOWN.value[0], _NAMES[2])
