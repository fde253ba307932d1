"""OpenTelemetry traces, if the usual OTEL_ variables ask for them; otherwise nothing of it is imported.

What the variables mean is OpenTelemetry's: an endpoint switches traces on, OTEL_SDK_DISABLED=true or
OTEL_TRACES_EXPORTER=none off; service name, sampler and headers are read by its SDK. Spans carry a method's name and
its outcome, and nothing that a prompt or a key could be in.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from ridgeway.errors import RidgewayError
from ridgeway.runtime.request_id import Metadata

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class OtelExtraMissing(RidgewayError):
    """Traces are asked for, and the packages for them are not there."""


class Tracing(Protocol):
    """Records spans."""

    def serving(self, method: str, carrier: Mapping[str, str]) -> AbstractContextManager[None]:
        """A span around serving a call, below the caller's span."""

    def outgoing(self) -> Metadata:
        """What a call carries so that the server's span is below ours."""

    def close(self) -> None:
        """Send what is left."""


class _NoTracing:
    """Traces are off."""

    def serving(self, method: str, carrier: Mapping[str, str]) -> AbstractContextManager[None]:
        """Nothing."""
        del method, carrier
        return nullcontext()

    def outgoing(self) -> Metadata:
        """Nothing."""
        return ()

    def close(self) -> None:
        """Nothing is left."""


# One for the process, as with logging: spans of a call begin in one module and end in another.
_tracing: Tracing = _NoTracing()


def wished(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for traces."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not disabled and exporter == "otlp" and any(environment.get(name) for name in _ENDPOINTS)


@contextmanager
def traced(service: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Trace while the block runs, if the variables ask for it.

    Raises:
        OtelExtraMissing: they do, and the extra `otel` is not installed.
    """
    global _tracing
    if not wished(environment):
        yield
        return
    try:
        module = importlib.import_module("ridgeway.runtime.otel")
    except ModuleNotFoundError as error:
        raise OtelExtraMissing(
            "OTEL_ variables ask for traces; pip install 'ridgeway[otel]', or set OTEL_SDK_DISABLED=true"
        ) from error
    before, _tracing = _tracing, module.OpenTelemetry(service)
    try:
        yield
    finally:
        made, _tracing = _tracing, before
        made.close()


def serving(method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> AbstractContextManager[None]:
    """A span around serving a call that came with this metadata."""
    carrier = {key: value for key, value in metadata or () if isinstance(value, str)}
    return _tracing.serving(method, carrier)


def outgoing() -> Metadata:
    """What a call is to carry for the trace."""
    return _tracing.outgoing()
