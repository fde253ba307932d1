"""A federation and a node as JSON documents: what `status --json` prints and what the status page shows."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ridgeway.proto import messages as m

# A domain of fewer rows is not to be trusted: its accuracy on real prompts was still rising steeply there.
PROMPTS_TRUSTED = 50
TOKENS_TRUSTED = 2000


def federation_document(status: m.FederationStatus) -> dict[str, Any]:
    """The federation as data."""
    manifest = json.loads(status.manifest_json)
    return {
        "federation_id": status.federation_id,
        "router_version": status.router_version,
        "router_edition": status.router_edition,
        "published": iso_time(status.published_unix_ms),
        "sum_digest": status.sum_digest.hex(),
        "router_is_current": status.router_sum_digest == status.sum_digest,
        "ridge": status.ridge,
        "rows": sum(domain.rows for domain in status.domains),
        "members": [_member(member) for member in status.members],
        "domains": [_domain(domain, manifest["feature_map"]) for domain in status.domains],
        "trials": [trial_document(trial) for trial in status.trials],
        "rounds": asdict(status.rounds) if status.rounds else None,
        "manifest": manifest,
    }


def node_document(status: m.NodeStatus) -> dict[str, Any]:
    """The node as data."""
    return {
        "owner": status.owner,
        "federation_id": status.federation_id,
        "coordinator": status.coordinator_address,
        "connected": status.connected,
        "router_version": status.router_version,
        "router_published": iso_time(status.router_received_unix_ms),
        "certificate_expires": iso_time(status.certificate_expires_unix_ms),
        "domains": [
            {
                "domain": d.domain,
                "location": d.location,
                "rows": d.rows,
                "sequence": d.sequence,
                "committed": d.committed,
                "budget_spent": d.budget_spent,
            }
            for d in status.domains
        ],
        "identity_sha256": status.identity_sha256,
        "waiting": status.waiting or None,
        "last_error": status.last_error or None,
        "gossip": gossip_document(status.gossip) if status.gossip else None,
    }


def gossip_document(gossip: m.GossipStatus) -> dict[str, Any]:
    """Gossip as one peer sees it, as data."""
    return {
        "address": gossip.address or None,
        "coordinator": gossip.coordinator or None,
        "records": gossip.records,
        "pending": gossip.pending,
        "root": gossip.root.hex(),
        "sum_digest": gossip.sum_digest.hex() or None,
        "weights_digest": gossip.weights_digest.hex() or None,
        "refused": gossip.refused,
        "administrator": gossip.administrator,
        "founder": gossip.authority,
        "faults": list(gossip.faults),
        "peers": [peer_document(peer) for peer in gossip.peers],
    }


def peer_document(peer: m.PeerStatus) -> dict[str, Any]:
    """One peer as another sees it, as data."""
    return {
        "owner": peer.owner,
        "state": peer.state.name.lower(),
        "linked": peer.linked,
        "incarnation": peer.incarnation,
        "same_records": peer.in_step,
        "last_exchange": iso_time(peer.last_exchange_unix_ms),
        "sum_digest": peer.sum_digest.hex() or None,
        "weights_digest": peer.weights_digest.hex() or None,
        "differs": peer.differs,
        "offences": peer.offences,
        "address": peer.address or None,
    }


def trial_document(trial: m.RouterTrial) -> dict[str, Any]:
    """The trials of one router version as data."""
    return {
        "router_version": trial.router_version,
        "prompts": trial.prompts,
        "balanced_accuracy": trial.balanced_accuracy,
        "expected_calibration_error": trial.calibration_error,
        "inverse_temperature": trial.inverse_temperature,
        "rule": trial.rule,
        "top_k": trial.top_k,
        "domains": list(trial.domains),
        "confusion": confusion_rows(trial),
    }


def confusion_rows(trial: m.RouterTrial) -> list[list[int]]:
    """A row for each true domain, a column for each chosen one, and one for prompts that could not be routed."""
    width = len(trial.domains) + 1
    return [list(trial.confusion[start : start + width]) for start in range(0, len(trial.confusion), width)]


def is_too_small(domain: m.DomainStatus, feature_map: str) -> bool:
    """Whether a domain has too few rows for its decisions to be trusted."""
    return domain.rows < (PROMPTS_TRUSTED if feature_map == "pooled" else TOKENS_TRUSTED)


def iso_time(unix_ms: int) -> str | None:
    """A time in UTC as ISO 8601; None for 0, which stands for never."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="seconds") if unix_ms else None


def _member(member: m.MemberStatus) -> dict[str, Any]:
    return {
        "owner": member.owner,
        "state": member.state.name.lower(),
        "connected": member.connected,
        "router_version": member.router_version or None,
        "since": iso_time(member.since_unix_ms),
        "certificate_expires": iso_time(member.certificate_expires_unix_ms),
        "contributions": [
            {"domain": c.domain, "rows": c.rows, "sequence": c.sequence, "committed": iso_time(c.committed_unix_ms)}
            for c in member.contributions
        ],
    }


def _domain(domain: m.DomainStatus, feature_map: str) -> dict[str, Any]:
    return {
        "domain": domain.domain,
        "rows": domain.rows,
        "owners": list(domain.owners),
        "too_small_to_trust": is_too_small(domain, feature_map),
        "experts": [
            {"owner": e.owner, "url": e.url, "model": e.model, "price": e.price, "latency_ms": e.latency_ms}
            for e in domain.experts
        ],
    }
