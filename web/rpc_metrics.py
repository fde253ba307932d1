"""Metrics that every daemon has: its calls, its refusals, its process. Each daemon has a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from ridgeway import __version__

# From a look-up in a table to an enrolment that waits for the disk.
SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RpcMetrics:
    """Hears of every call to a daemon."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("ridgeway_build", "The release that runs.", registry=self.registry).info({"version": __version__})
        self._running = Gauge(
            "ridgeway_rpcs_running", "Calls that are being served.", ["service", "method"], registry=self.registry
        )
        self._ended = Counter(
            "ridgeway_rpcs", "Calls served, by gRPC status.", ["service", "method", "code"], registry=self.registry
        )
        self._seconds = Histogram(
            "ridgeway_rpc_seconds",
            "How long calls took whose answer does not stream.",
            ["service", "method"],
            registry=self.registry,
            buckets=SECONDS_BUCKETS,
        )
        self._refused = Counter(
            "ridgeway_refusals", "Calls refused, by reason.", ["method", "reason"], registry=self.registry
        )

    def call_began(self, method: str) -> None:
        """A call came in."""
        self._running.labels(*_names(method)).inc()

    def call_ended(self, method: str, code: str, seconds: float, *, streamed: bool) -> None:
        """It has ended."""
        names = _names(method)
        self._running.labels(*names).dec()
        self._ended.labels(*names, code).inc()
        if not streamed:
            self._seconds.labels(*names).observe(seconds)

    def refused(self, reason: str, method: str) -> None:
        """A call was refused, by an error of this name."""
        self._refused.labels(_names(method)[1], reason).inc()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


def _names(method: str) -> tuple[str, str]:
    """Service and method of a path like /ridgeway.v1.Routing/Route."""
    service, _, name = method.lstrip("/").partition("/")
    return service, name
