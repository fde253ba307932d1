"""The newest router in a node's data directory, for a process beside the node's daemon or without one."""

from pathlib import Path

from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.feature_map import Router
from ridgeway.manifest import Manifest
from ridgeway.node.router_store import ROUTER_FILE, RouterStore
from ridgeway.node.state import STATE_FILE, Membership, NodeState, NotJoined
from ridgeway.privacy.agreement import agreed_embedder
from ridgeway.runtime.data_dir import DataDirectory


class RouterReader:
    """Reads the router again whenever the daemon has replaced it. Takes no lock and writes nothing.

    Raises:
        DataDirectoryError: this is no node's directory.
    """

    def __init__(self, data_dir: Path) -> None:
        self._directory = DataDirectory(data_dir, "node")
        self._read: tuple[int, int] | None = None
        self._embedder: tuple[Membership, Embedder] | None = None

    def changed(self) -> bool:
        """Whether there is another file than the one read last, or there was none yet."""
        return self._mark() != self._read

    def read(self) -> Router:
        """The newest router on disk, ready to decide. Blocks; the embedder is loaded once.

        Raises:
            NotJoined, NoRouter, BadRouterArtifact, ForeignRouter, EmbedderError: there is none to load.
        """
        self._read = self._mark()
        membership = membership_of(self._directory)
        manifest = Manifest.from_json(membership.manifest_json.encode())
        if self._embedder is None or self._embedder[0] != membership:
            self._embedder = membership, agreed_embedder(load_embedder(membership.embedder), manifest)
        store = RouterStore(self._directory)
        store.load(self._embedder[1], manifest)
        return store.require()

    def _mark(self) -> tuple[int, int] | None:
        """What tells one router file from the next: each is written beside the old one and renamed."""
        try:
            status = (self._directory.path / ROUTER_FILE).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns


def membership_of(directory: DataDirectory) -> Membership:
    """What the node belongs to, or belonged to last.

    Raises:
        NotJoined: it has never joined.
    """
    path = directory.path / STATE_FILE
    membership = None
    if path.exists():
        state = NodeState(path, read_only=True)
        try:
            membership = state.membership
        finally:
            state.close()
    if membership is None:
        raise NotJoined(f"the node on {directory.path} has not joined a federation; run `ridgeway join TOKEN` first")
    return membership
