"""Fetch the state of a federation or a node, and show it as a table or as data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ridgeway.cli.command import emit
from ridgeway.cli.trial_view import trial_tables
from ridgeway.proto.status_document import (
    federation_document,
    gossip_document,
    is_too_small,
    iso_time,
    node_document,
)

if TYPE_CHECKING:
    from ridgeway.proto import messages as m

STATE_STYLES = {"active": "green", "invited": "cyan", "left": "dim", "revoked": "yellow", "evicted": "red"}


async def fetch(data_dir: Path) -> "tuple[m.FederationStatus | None, m.NodeStatus | None, str]":
    """The federation's status, the node's if this is one's directory, and why the federation's is missing.

    Raises:
        WrongDataDirectory: it is neither a coordinator's nor a node's.
    """
    from ridgeway.cli.administer import administer
    from ridgeway.cli.handover import is_peer
    from ridgeway.errors import RidgewayError
    from ridgeway.node.handover import federation_status, node_status
    from ridgeway.proto import messages as m
    from ridgeway.proto import rpc
    from ridgeway.runtime.data_dir import WrongDataDirectory, role_of

    role = role_of(data_dir)
    if role == "coordinator":
        return await administer(data_dir, rpc.ADMIN_STATUS, m.GetStatusRequest()), None, ""
    if role != "node":
        raise WrongDataDirectory(f"{data_dir} is no coordinator's or node's data directory; check --data-dir")
    node, _ = await node_status(data_dir)
    if is_peer(data_dir):
        return await administer(data_dir, rpc.ADMIN_STATUS, m.GetStatusRequest()), node, ""
    try:
        return await federation_status(data_dir), node, ""
    except RidgewayError as error:
        return None, node, str(error)


def show(data_dir: Path, *, as_json: bool, members_only: bool) -> None:
    """Fetch and print."""
    import asyncio

    federation, node, missing = asyncio.run(fetch(data_dir))
    if as_json:
        document = federation_document(federation) if federation else {}
        if members_only:
            gossip = {"peers": gossip_document(node.gossip)["peers"]} if node and node.gossip else {}
            emit({"members": document.get("members", []), **gossip, "error": missing or None})
        else:
            emit({**document, "node": node_document(node) if node else None, "error": missing or None})
        return
    from rich.console import Console

    console = Console()
    if node is not None and not members_only:
        _print_node(console, node)
    if federation is not None:
        console.print(member_table(federation))
        if node is not None and node.gossip is not None:
            console.print(peer_table(node.gossip))
        if not members_only:
            console.print(domain_table(federation))
            for table in trial_tables(federation):
                console.print(table)
            console.print(_summary(federation), highlight=False)
    if missing:
        console.print(f"the coordinator says nothing: {missing}", style="yellow", highlight=False)


def member_table(status: "m.FederationStatus") -> Any:
    """A table of members."""
    from rich.table import Table

    table = Table(
        "owner", "state", "connected", "domains", "rows", "router", "since", title="members", title_justify="left"
    )
    for member in status.members:
        state = member.state.name.lower()
        rows = sum(c.rows for c in member.contributions)
        table.add_row(
            member.owner,
            f"[{STATE_STYLES.get(state, 'white')}]{state}",
            "yes" if member.connected else "-",
            ", ".join(c.domain for c in member.contributions) or "-",
            f"{rows:,}" if rows or not member.contributions else "masked",
            str(member.router_version or "-"),
            iso_time(member.since_unix_ms) or "-",
        )
    return table


def peer_table(gossip: "m.GossipStatus") -> Any:
    """A table of the other peers as this one sees them."""
    from rich.table import Table

    from ridgeway.cli.peer_view import seen

    table = Table(
        "peer", "seen as", "stream", "last exchange", "sum", "rounded W", title="gossip", title_justify="left"
    )
    for peer in gossip.peers:
        table.add_row(*seen(peer, gossip))
    return table


def domain_table(status: "m.FederationStatus") -> Any:
    """A table of domains."""
    import json

    from rich.table import Table

    features = json.loads(status.manifest_json)["feature_map"]
    table = Table("domain", "rows", "owners", "experts", title="domains", title_justify="left")
    for domain in status.domains:
        experts = ", ".join(f"{e.model or e.url} ({e.owner})" for e in domain.experts)
        rows = f"{domain.rows:,}" + (" [yellow](too few to trust)" if is_too_small(domain, features) else "")
        table.add_row(domain.domain, rows, ", ".join(domain.owners), experts or "-")
    return table


def _summary(status: "m.FederationStatus") -> str:
    import json

    manifest = json.loads(status.manifest_json)
    seen_by = "every member" if "coordination" in manifest else "the coordinator"
    warning = f"\nmasking is off: {seen_by} sees each owner's sums" if manifest["masking"] == "off" else ""
    if status.rounds is not None:
        warning = "".join(f"\n{line}" for line in _round_lines(status.rounds))
        if (manifest["feature_map"], manifest["mass"]) == ("tokens", "owner"):
            warning += "\nmass owner with token features lets the coordinator tell the owners of a masked sum apart"
    if manifest.get("privacy"):
        warning += "\ndifferential privacy of epsilon {epsilon:g}, delta {delta:g}".format(**manifest["privacy"])
    return (
        f"router {status.router_version or 'not yet made'}"
        f"{', published ' + str(iso_time(status.published_unix_ms)) if status.published_unix_ms else ''}\n"
        f"sum {status.sum_digest.hex()}{warning}"
    )


def _round_lines(rounds: "m.RoundStatus") -> list[str]:
    lines = []
    if rounds.phase:
        missing = f", missing: {', '.join(rounds.missing[:5])}" if rounds.missing else ""
        lines.append(f"round {rounds.number} of {rounds.cohort} owners waits for {rounds.phase}{missing}")
    if rounds.waiting:
        lines.append(rounds.waiting)
    if rounds.last_outcome:
        lines.append(rounds.last_outcome)
    return lines or ["masked; no round since the coordinator started"]


def _print_node(console: Any, node: "m.NodeStatus") -> None:
    if not node.owner:
        console.print("this node has not joined a federation yet", style="yellow")
        return
    others = node.coordinator_address or "other peers"
    where = "connected to" if node.connected else "not connected to"
    console.print(f"{node.owner}, {where} {others}, router {node.router_version or '-'}", highlight=False)
    console.print(f"identity sha256:{node.identity_sha256}", style="dim", highlight=False)
    for domain in node.domains:
        if domain.budget_spent:
            console.print(f"{domain.domain}: {domain.budget_spent:.0%} of its privacy budget is spent", highlight=False)
    if node.gossip is not None:
        _print_gossip(console, node.gossip)
    if node.waiting:
        console.print(f"its part of the sum waits: {node.waiting}", style="yellow", highlight=False)
    if node.last_error:
        console.print(node.last_error, style="yellow", highlight=False)


def _print_gossip(console: Any, gossip: "m.GossipStatus") -> None:
    roles = [name for name, holds in (("founder", gossip.authority), ("administrator", gossip.administrator)) if holds]
    dialled = f"dialled at {gossip.address}" if gossip.address else "takes part through connections that it opens"
    console.print(f"{', '.join([*roles, dialled])}; {gossip.records} records", highlight=False)
    from ridgeway.cli.peer_view import coordinator_lost

    if lost := coordinator_lost(gossip):
        console.print(lost, style="yellow", highlight=False)
    if gossip.pending:
        console.print(f"{gossip.pending} contributions are on their way here", style="yellow", highlight=False)
    if gossip.weights_digest:
        console.print(f"rounded W {gossip.weights_digest.hex()}", style="dim", highlight=False)
    for fault in gossip.faults:
        console.print(f"fault: {fault}", style="red", highlight=False)
