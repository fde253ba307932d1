"""The masked federation's sum on disk: one file, replaced by each committed round.

Of a masked contribution nothing is left to add up again, so unlike an unmasked sum this one is kept whole. The file is
synced before the ledger names it, and named by its content; the ledger's transaction decides which one counts.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.round_vector import as_sum, length, pieces
from ridgeway.runtime.data_dir import write_durably
from ridgeway.sums import FederationSum

_FORMAT = 1


class TotalDamaged(RidgewayError):
    """The sum on disk is not the one that the ledger names."""


@dataclass(frozen=True, slots=True)
class WrittenTotal:
    """A sum on disk: its file's name, what the ledger names it by, and its content."""

    name: str
    named: bytes
    pieces: list[memoryview]


def file_name(named: bytes | None) -> str | None:
    """The file that the ledger names."""
    return None if named is None else str(json.loads(named)["file"])


@dataclass(frozen=True, slots=True)
class MaskedTotals:
    """The folder of sums."""

    folder: Path
    manifest: Manifest

    def write(self, total: FederationSum) -> "WrittenTotal":
        """Write a sum durably."""
        data = [piece.astype("<i8", copy=False).data.cast("B") for piece in pieces(total)]
        digest = hashlib.sha256()
        for piece in data:
            digest.update(piece)
        name = digest.hexdigest()
        write_durably(self.folder / name, *data)
        named = json.dumps({"format": _FORMAT, "file": name, "domains": total.domains}).encode()
        return WrittenTotal(name, named, data)

    def fetch(self, named: bytes | None, kept: Callable[[str], Iterable[bytes]]) -> None:
        """Bring here what the ledger names, if another replica has made it.

        Args:
            named: by the ledger.
            kept: gives a file's content in pieces; none of a file that is not kept.
        """
        name = file_name(named)
        if name is not None and not (self.folder / name).exists():
            write_durably(self.folder / name, *kept(name))

    def read(self, named: bytes | None) -> FederationSum:
        """The sum that the ledger names; an empty one before the first round.

        Raises:
            TotalDamaged: the file is missing, or not what was written.
        """
        manifest = self.manifest
        if named is None:
            return FederationSum(manifest.layout)
        stated = json.loads(named)
        domains = tuple(stated["domains"])
        try:
            data = (self.folder / stated["file"]).read_bytes()
        except FileNotFoundError:
            data = b""
        expected = 8 * length(manifest.layout, len(domains))
        if len(data) != expected or hashlib.sha256(data).hexdigest() != stated["file"]:
            raise TotalDamaged("the sum on disk is damaged; restore the data directory from a backup")
        vector = np.frombuffer(bytearray(data), dtype="<i8")
        return as_sum(manifest.layout, domains, vector)

    def keep_only(self, named: bytes | None) -> None:
        """Remove every sum that the ledger does not name."""
        kept = file_name(named)
        for path in self.folder.iterdir():
            if path.name != kept:
                path.unlink(missing_ok=True)
