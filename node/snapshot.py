"""What a backup of a node holds, and whether one is whole."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ridgeway.backup.contents import Contents
from ridgeway.backup.staging import stage
from ridgeway.crypto.payload_digest import chunk_digests, payload_digest
from ridgeway.errors import RidgewayError
from ridgeway.node.enrolment import IDENTITY_FILE
from ridgeway.node.link import AUTHORITY_FILE, CREDENTIAL_FILE
from ridgeway.node.roster_file import ROSTER_FILE
from ridgeway.node.router_store import ROUTER_FILE
from ridgeway.node.state import STATE_FILE, NodeState, StateError
from ridgeway.runtime.data_dir import MARKER, DataDirectory

PAYLOADS = "payloads"
HOLD_OUTS = "hold-outs"

NODE = Contents(
    role="node",
    database=STATE_FILE,
    files=(MARKER, AUTHORITY_FILE, ROUTER_FILE, ROSTER_FILE),
    folders=(PAYLOADS, HOLD_OUTS),
    keys=(IDENTITY_FILE, CREDENTIAL_FILE),
)
PAID_FOR = (
    "this node gives differential privacy and has forgotten what it released after the backup; if it contributed since,"
    " it would pay twice without knowing: do not start it, but let the owner join under a new name"
)


class SnapshotIncomplete(RidgewayError):
    """A snapshot without which a node could not go on."""


def take(directory: DataDirectory, state: NodeState) -> str:
    """Take a snapshot of a directory that this process holds; its name. Runs where the state may be touched."""
    payloads = sorted(state.payloads() - {""})
    return stage(directory, NODE, state.copy_to, {PAYLOADS: payloads, HOLD_OUTS: payloads})


def notes(folder: Path) -> list[str]:
    """What the operator must know of a snapshot."""
    with closing(NodeState(folder / STATE_FILE, read_only=True)) as state:
        return [PAID_FOR] if state.releases() else []


def check(folder: Path) -> None:
    """Check that all that the state names is there, to the bit.

    Raises:
        StateError, SnapshotIncomplete: it is not whole.
    """
    _check_database(folder / STATE_FILE)
    with closing(NodeState(folder / STATE_FILE, read_only=True)) as state:
        for payload in state.payloads() - {""}:
            _check_payload(folder / PAYLOADS / payload)


def _check_payload(path: Path) -> None:
    """A payload is named by its content."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    if payload_digest(len(content), chunk_digests(content)).hex() != path.name:
        raise SnapshotIncomplete(f"the payload {path.name} is missing or damaged; contribute its domain again")


def _check_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            ((verdict,), *_) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        raise StateError(f"the state in it is damaged ({error}); take another backup") from error
    if verdict != "ok":
        raise StateError("the state in it is damaged; take another backup")
