"""Join and leave at whatever kind of node a data directory is of: of a federation with a coordinator, or of peers."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ridgeway.proto.messages import JoinRequest, Progress

Tell = Callable[["Progress"], None]

# As in `ridgeway.peers.keyring`, which takes long to import.
_CHARTER_FILE = "charter.bin"
_PEER_TOKEN = "rwp1_"  # noqa: S105 - how such a line begins  # nosec B105


def is_peer(data_dir: Path) -> bool:
    """Whether the directory is of a node in a federation without a coordinator."""
    return (data_dir / _CHARTER_FILE).exists()


async def join(data_dir: Path, request: "JoinRequest", tell: Tell) -> None:
    """Enrol if there is a token, and contribute.

    Raises:
        RidgewayError: many kinds, each with a sentence; the same join may be run again.
    """
    if request.token.startswith(_PEER_TOKEN) or (not request.token and is_peer(data_dir)):
        from ridgeway.peers.handover import join_peers

        await join_peers(data_dir, request, tell)
        return
    from ridgeway.node.handover import join_federation

    await join_federation(data_dir, request, tell)


async def leave(data_dir: Path, domain: str, tell: Tell) -> None:
    """Withdraw one domain, or with an empty name leave.

    Raises:
        RidgewayError: many kinds, each with a sentence; the same command may be run again.
    """
    if is_peer(data_dir):
        from ridgeway.peers.handover import leave_peers

        await leave_peers(data_dir, domain, tell)
        return
    from ridgeway.node.handover import leave_federation

    await leave_federation(data_dir, domain, tell)
