"""How one peer looks to another, as the cells of a table."""

import time

from rich.text import Text

from ridgeway.proto import messages as m

_STYLES = {"alive": "green", "suspect": "yellow", "dead": "red"}
DIGEST_SHOWN = 12


def seen(peer: m.PeerStatus, gossip: m.GossipStatus) -> tuple[Text, ...]:
    """Name, state, stream, last exchange, sum and rounded W of a peer, beside what is here."""
    state = peer.state.name.lower()
    return (
        Text(peer.owner),
        Text(state, style=_STYLES.get(state, "white")),
        Text("open" if peer.linked else "-"),
        Text(_ago(peer.last_exchange_unix_ms)),
        _digest(peer.sum_digest, gossip.sum_digest, fault=peer.differs),
        _digest(peer.weights_digest, gossip.weights_digest, fault=peer.differs),
    )


def coordinator_lost(gossip: m.GossipStatus) -> str:
    """What it means that the coordinator is not there; empty if it is, or if there is none to lose."""
    coordinator = next((peer for peer in gossip.peers if peer.owner == gossip.coordinator), None)
    if coordinator is None or coordinator.state is m.PeerState.ALIVE:
        return ""
    state = coordinator.state.name.lower()
    return (
        f"the coordinator is {state}, last heard {_ago(coordinator.last_exchange_unix_ms)}; gossip goes on without it"
    )


def _digest(theirs: bytes, ours: bytes, *, fault: bool) -> Text:
    """A digest, green if it is ours; a difference is a fault only over the same records."""
    if not theirs:
        return Text("-")
    style = "green" if theirs == ours else "red" if fault else "yellow"
    return Text(theirs.hex()[:DIGEST_SHOWN], style=style)


def _ago(unix_ms: int) -> str:
    if not unix_ms:
        return "-"
    seconds = max(0.0, time.time() - unix_ms / 1000)
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"
