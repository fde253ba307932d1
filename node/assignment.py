"""What another machine of the same owner needs to compute statistics that this node can use.

The other machine chooses the prompts to hold out by the node's own secret, and so chooses as the node would; the file
is therefore private and of mode 0600.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.node.state import STATE_FILE, NodeState, NotJoined, StateError
from ridgeway.runtime.data_dir import DataDirectory, write_durably
from ridgeway.runtime.private_file import read_private

_VERSION = 1


class BadAssignment(RidgewayError):
    """A file that `ridgeway manifest` did not write."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """How a node's prompts are counted.

    Attributes:
        manifest: the federation's.
        embedder: what the node calls the embedder.
        hold_out: the share of prompts to hold out.
        hold_out_key: the node's secret that chooses them.
    """

    manifest: Manifest
    embedder: str
    hold_out: float
    hold_out_key: bytes = field(repr=False)

    @property
    def held_out(self) -> float:
        """The share that is held out indeed: counts of a hold-out are exact, so none under differential privacy."""
        return 0.0 if self.manifest.privacy else self.hold_out

    @classmethod
    def of_node(cls, data_dir: Path) -> "Assignment":
        """That of a node, beside its daemon or without.

        Raises:
            DataDirectoryError, NotJoined, StateError: it is no node, or no member.
        """
        directory = DataDirectory(data_dir, "node")
        if not (directory.path / STATE_FILE).exists():
            raise NotJoined("this node has not joined a federation; run `ridgeway join TOKEN` with its --data-dir")
        state = NodeState(directory.path / STATE_FILE, read_only=True)
        try:
            membership = state.require_membership()
            if state.setting("hold_out_key") is None:
                raise StateError("this node was last run by an older release; run `ridgeway status` on it once")
            manifest = Manifest.from_json(membership.manifest_json.encode())
            return cls(manifest, membership.embedder, state.hold_out, state.hold_out_key())
        finally:
            state.close()

    def write(self, path: Path) -> None:
        """Replace a file; mode 0600."""
        document = {
            "ridgeway_manifest": _VERSION,
            "manifest": json.loads(self.manifest.to_json()),
            "embedder": self.embedder,
            "hold_out": self.hold_out,
            "hold_out_key": self.hold_out_key.hex(),
        }
        write_durably(path, json.dumps(document, indent=2).encode() + b"\n")

    @classmethod
    def read(cls, path: Path) -> "Assignment":
        """Read what `write` wrote.

        Raises:
            NotPrivate: others may read it, or it cannot be read.
            BadAssignment: it is something else, or of a newer release.
        """
        text = read_private(path)
        try:
            document = json.loads(text)
            version = document["ridgeway_manifest"]
            if version != _VERSION:
                raise BadAssignment(f"{path} has format {version}, this release reads {_VERSION}; use one release")
            return cls(
                Manifest.from_json(json.dumps(document["manifest"]).encode()),
                str(document["embedder"]),
                float(document["hold_out"]),
                bytes.fromhex(document["hold_out_key"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadAssignment(f"{path} is not what `ridgeway manifest` writes; write it again and copy it") from error
