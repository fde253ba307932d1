"""What nodes on this machine hold adds up to: the check that a masked sum is exact, for whoever owns all the nodes."""

from collections.abc import Iterable
from pathlib import Path

from ridgeway.manifest import Manifest
from ridgeway.node.contribution import numbers
from ridgeway.node.state import STATE_FILE, NodeState
from ridgeway.sums import FederationSum


def plain_digest(data_dirs: Iterable[Path]) -> str:
    """The digest of the sum of what these nodes have committed, read from their own files, in hexadecimal.

    Raises:
        StateError, NotJoined: one of them has no state, or has not joined.
    """
    total: FederationSum | None = None
    digest = b""
    for data_dir in data_dirs:
        state = NodeState(data_dir / STATE_FILE, read_only=True)
        manifest = Manifest.from_json(state.require_membership().manifest_json.encode())
        if total is None:
            total, digest = FederationSum(manifest.layout), manifest.digest()
        for domain, held in state.last_committed().items():
            total.add(domain, numbers(data_dir / "payloads", held), held.rows)
        state.close()
    return total.digest(digest).hex() if total else ""
