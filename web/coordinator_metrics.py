"""What Prometheus sees of a coordinator. Names are documented in docs/observability.md, which a test compares."""

from collections import Counter as Count

from prometheus_client import Counter, Gauge, Histogram

from ridgeway.proto import messages as m
from ridgeway.proto.status_document import confusion_rows, iso_time
from ridgeway.web.router_history import RouterHistory
from ridgeway.web.rpc_metrics import RpcMetrics

# From a few domains over 385 dimensions to 8,192 of them.
ROUND_OUTCOMES = ("committed", "aborted")
SOLVE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class CoordinatorMetrics(RpcMetrics):
    """Hears what a coordinator does, and counts it.

    Attributes:
        routers: the versions that were published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.routers = RouterHistory()
        self._solve_seconds = Histogram(
            "ridgeway_solve_seconds",
            "How long solving and encoding a router took.",
            registry=self.registry,
            buckets=SOLVE_BUCKETS,
        )
        self._contributions = Counter(
            "ridgeway_contributions_committed", "Contributions added to the sum.", registry=self.registry
        )
        self._contribution_bytes = Counter(
            "ridgeway_contribution_bytes", "Payload bytes of committed contributions.", registry=self.registry
        )
        self._rounds = Counter(
            "ridgeway_rounds", "Rounds of secure aggregation by outcome.", ("outcome",), registry=self.registry
        )
        self._dropouts = Counter(
            "ridgeway_round_dropouts", "Owners that were asked and left a round early.", registry=self.registry
        )
        for outcome in ROUND_OUTCOMES:
            self._rounds.labels(outcome)
        self._state = _StateGauges(self)

    def solved(self, version: int, sum_digest: bytes, published_unix_ms: int, seconds: float) -> None:
        """A router was solved and is out."""
        self._solve_seconds.observe(seconds)
        self.routers.add(version, sum_digest, iso_time(published_unix_ms))

    def committed(self, payload_bytes: int) -> None:
        """A contribution was added to the sum."""
        self._contributions.inc()
        self._contribution_bytes.inc(payload_bytes)

    def round_ended(self, committed: bool, dropouts: int) -> None:
        """A round of secure aggregation ended."""
        self._rounds.labels(ROUND_OUTCOMES[not committed]).inc()
        self._dropouts.inc(dropouts)

    def exposition_of(self, status: m.FederationStatus) -> bytes:
        """Everything in Prometheus' text format, with the federation as it is now."""
        self._state.show(status)
        return self.exposition()


class _StateGauges:
    """Gauges that are set from a status before each scrape; what has gone goes from them too."""

    def __init__(self, metrics: RpcMetrics) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"ridgeway_{name}", text, labels, registry=metrics.registry)

        self._version = gauge("router_version", "Version of the newest router; 0 without one.")
        self._published = gauge("router_published_timestamp_seconds", "When the newest router was published.")
        self._current = gauge("router_is_current", "1 if the newest router was solved from the present sum.")
        self._members = gauge("members", "Members by state.", "state")
        self._connected = gauge("member_connected", "1 if an active member watches the router feed.", "owner")
        self._sent = gauge("member_router_version", "Newest router version that an active member was sent.", "owner")
        self._expiry = gauge(
            "member_certificate_expires_timestamp_seconds", "When an active member's certificate ends.", "owner"
        )
        self._rows = gauge("domain_rows", "Rows in the sum.", "domain")
        self._owners = gauge("domain_owners", "Owners that contribute.", "domain")
        self._experts = gauge("domain_experts", "Experts that serve the domain.", "domain")
        self._accuracy = gauge("holdout_balanced_accuracy", "Of the newest router that was tried, from 0 to 1.")
        self._domain_accuracy = gauge("holdout_accuracy", "The same for each domain.", "domain")
        self._calibration = gauge("holdout_calibration_error", "Expected calibration error of that router.")
        self._prompts = gauge("holdout_prompts", "Prompts held out that it was tried on.")
        self._waiting = gauge("round_waiting_owners", "Owners with a change that is not in the masked sum yet.")

    def show(self, status: m.FederationStatus) -> None:
        """Set everything."""
        self._version.set(status.router_version)
        self._published.set(status.published_unix_ms / 1000)
        self._current.set(status.router_sum_digest == status.sum_digest)
        self._show_members(status)
        for gauge in (self._rows, self._owners, self._experts):
            gauge.clear()
        for domain in status.domains:
            self._rows.labels(domain.domain).set(domain.rows)
            self._owners.labels(domain.domain).set(len(domain.owners))
            self._experts.labels(domain.domain).set(len(domain.experts))
        self._waiting.set(len(status.rounds.changed) if status.rounds else 0)
        self._show_trial(status.trials[0] if status.trials else m.RouterTrial())

    def _show_members(self, status: m.FederationStatus) -> None:
        for gauge in (self._members, self._connected, self._sent, self._expiry):
            gauge.clear()
        states = Count(member.state for member in status.members)
        for state in m.MemberState:
            if state is not m.MemberState.UNSPECIFIED:
                self._members.labels(state.name.lower()).set(states[state])
        for member in status.members:
            if member.state is m.MemberState.ACTIVE:
                self._connected.labels(member.owner).set(member.connected)
                self._sent.labels(member.owner).set(member.router_version)
                self._expiry.labels(member.owner).set(member.certificate_expires_unix_ms / 1000)

    def _show_trial(self, trial: m.RouterTrial) -> None:
        self._accuracy.set(trial.balanced_accuracy)
        self._calibration.set(trial.calibration_error)
        self._prompts.set(trial.prompts)
        self._domain_accuracy.clear()
        for place, (domain, row) in enumerate(zip(trial.domains, confusion_rows(trial), strict=True)):
            if total := sum(row):
                self._domain_accuracy.labels(domain).set(row[place] / total)
