"""Spans through OpenTelemetry's SDK and its OTLP exporter; needs the extra `otel`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ridgeway.runtime.request_id import Metadata, current


class OpenTelemetry:
    """Sends spans where OTEL_EXPORTER_OTLP_ENDPOINT says, in batches, in a thread of its own.

    Args:
        service: the service's name, unless OTEL_SERVICE_NAME says another.
    """

    def __init__(self, service: str) -> None:
        # The variables' own attributes are merged over these.
        resource = Resource({SERVICE_NAME: service}).merge(Resource.create({}))
        named = resource.attributes[SERVICE_NAME]
        if str(named).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ridgeway")

    @contextmanager
    def serving(self, method: str, carrier: Mapping[str, str]) -> Iterator[None]:
        """A server span below the caller's; an error marks it, without the error's text."""
        service, _, name = method.lstrip("/").partition("/")
        attributes = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": name,
            "ridgeway.request_id": current(),
        }
        with self._tracer.start_as_current_span(
            method.lstrip("/"),
            context=propagate.extract(carrier),
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
                raise

    def outgoing(self) -> Metadata:
        """The headers of W3C Trace Context, or of the propagators that OTEL_PROPAGATORS names."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return tuple(carrier.items())

    def close(self) -> None:
        """Send what is left and end the thread."""
        self._provider.shutdown()
