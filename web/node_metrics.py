"""What Prometheus sees of a node. Names are documented in docs/observability.md, which a test compares."""

from collections import Counter as Count

from prometheus_client import Counter, Gauge, Histogram

from ridgeway.proto import messages as m
from ridgeway.proto.status_document import iso_time
from ridgeway.web.router_history import RouterHistory
from ridgeway.web.rpc_metrics import RpcMetrics

CONFIDENCE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class NodeMetrics(RpcMetrics):
    """Hears what a node does, and counts it.

    Attributes:
        routers: the versions that arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self.routers = RouterHistory()
        self._decisions = Counter(
            "ridgeway_route_decisions",
            "Prompts routed, by domain; fallback is true where the router was not sure enough.",
            ["domain", "fallback"],
            registry=self.registry,
        )
        self._unroutable = Counter(
            "ridgeway_route_unroutable", "Prompts without a token that the embedder knows.", registry=self.registry
        )
        self._confidence = Histogram(
            "ridgeway_route_confidence",
            "How sure the router was.",
            registry=self.registry,
            buckets=CONFIDENCE_BUCKETS,
        )
        self._gossip = Counter(
            "ridgeway_gossip_bytes", "Bytes of frames exchanged with peers.", ["direction"], registry=self.registry
        )
        for direction in ("sent", "received"):
            self._gossip.labels(direction)
        self._state = _StateGauges(self)

    def routed(self, domain: str, confidence: float, *, fallback: bool) -> None:
        """A prompt was routed."""
        self._decisions.labels(domain, str(fallback).lower()).inc()
        self._confidence.observe(confidence)

    def unroutable(self) -> None:
        """A prompt could not be routed."""
        self._unroutable.inc()

    def router_came(self, version: int, sum_digest: bytes, received_unix_ms: int) -> None:
        """A router arrived, or was read from disk."""
        self.routers.add(version, sum_digest, iso_time(received_unix_ms))

    def gossiped(self, sent: int, received: int) -> None:
        """So many bytes of frames were exchanged with peers."""
        self._gossip.labels("sent").inc(sent)
        self._gossip.labels("received").inc(received)

    def exposition_of(self, status: m.NodeStatus) -> bytes:
        """Everything in Prometheus' text format, with the node as it is now."""
        self._state.show(status)
        return self.exposition()


class _StateGauges:
    """Gauges that are set from a status before each scrape."""

    def __init__(self, metrics: RpcMetrics) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"ridgeway_{name}", text, labels, registry=metrics.registry)

        self._joined = gauge("node_joined", "1 if the node has joined a federation.")
        self._connected = gauge("node_connected", "1 if the node watches the router feed.")
        self._failing = gauge("node_failing", "1 if something has failed since its last success; the log says what.")
        self._version = gauge("router_version", "Version of the router that is served; 0 without one.")
        self._received = gauge("router_received_timestamp_seconds", "When that router arrived; 0 without one.")
        self._expiry = gauge("node_certificate_expires_timestamp_seconds", "When the node's certificate ends.")
        self._rows = gauge("node_domain_rows", "Rows of the node's own contribution.", "domain")
        self._committed = gauge("node_domain_committed", "1 if the coordinator has acknowledged it.", "domain")
        self._peers = gauge("gossip_peers", "Members by how this peer sees them, itself left out.", "state")
        self._linked = gauge("gossip_peers_linked", "Peers with which there is a stream.")
        self._in_step = gauge("gossip_peers_in_step", "Peers that hold the same records as this one.")
        self._records = gauge("gossip_records", "Records that this peer holds.")
        self._pending = gauge("gossip_records_pending", "Records whose payloads are on their way.")
        self._offences = gauge("gossip_offences", "What peers sent that no honest peer sends, since the start.")
        self._faults = gauge("gossip_faults", "Lasting differences from peers with the same records.")

    def show(self, status: m.NodeStatus) -> None:
        """Set everything."""
        self._joined.set(bool(status.owner))
        self._connected.set(status.connected)
        self._failing.set(bool(status.last_error))
        self._version.set(status.router_version)
        self._received.set(status.router_received_unix_ms / 1000)
        self._expiry.set(status.certificate_expires_unix_ms / 1000)
        self._rows.clear()
        self._committed.clear()
        for domain in status.domains:
            self._rows.labels(domain.domain).set(domain.rows)
            self._committed.labels(domain.domain).set(domain.committed)
        self._show_gossip(status.gossip or m.GossipStatus())

    def _show_gossip(self, gossip: m.GossipStatus) -> None:
        states = Count(peer.state for peer in gossip.peers)
        for state in m.PeerState:
            if state is not m.PeerState.UNSPECIFIED:
                self._peers.labels(state.name.lower()).set(states[state])
        self._linked.set(sum(peer.linked for peer in gossip.peers))
        self._in_step.set(sum(peer.in_step for peer in gossip.peers))
        self._records.set(gossip.records)
        self._pending.set(gossip.pending)
        self._offences.set(gossip.refused)
        self._faults.set(len(gossip.faults))
