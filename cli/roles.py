"""Backups of a coordinator and of a node: the same commands for both."""

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ridgeway.backup.archive import Backup
    from ridgeway.backup.contents import Role

Take = Callable[[Path], Coroutine[Any, Any, str]]


def roles() -> "dict[str, Role]":
    """How each role's backup is checked and restored."""
    from ridgeway.backup.contents import Role
    from ridgeway.coordinator import restoration
    from ridgeway.coordinator import snapshot as coordinator
    from ridgeway.node import snapshot as node

    def mark(folder: Path, backup: "Backup") -> None:
        restoration.mark(folder, backup, time.time_ns() // 1_000_000)

    return {
        "coordinator": Role(coordinator.COORDINATOR, coordinator.check, coordinator.notes, mark),
        "node": Role(node.NODE, node.check, node.notes, lambda _, __: None),
    }


def role_in(data_dir: Path) -> "tuple[Role, Take]":
    """The role of a data directory, and how its snapshot is taken.

    Raises:
        WrongDataDirectory: it is none.
    """
    from ridgeway.node.handover import take_snapshot
    from ridgeway.runtime.data_dir import WrongDataDirectory, role_of

    found = role_of(data_dir)
    if found is None:
        raise WrongDataDirectory(f"{data_dir} is no data directory of a coordinator or node; check --data-dir")
    return roles()[found], _coordinator_snapshot if found == "coordinator" else take_snapshot


async def _coordinator_snapshot(data_dir: Path) -> str:
    from ridgeway.cli.administer import administer
    from ridgeway.proto import messages as m
    from ridgeway.proto import rpc

    return (await administer(data_dir, rpc.ADMIN_SNAPSHOT, m.SnapshotRequest())).name
