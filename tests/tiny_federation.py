"""A coordinator's federation in a folder, with an embedder of a few words and without any daemon."""

from datetime import UTC, datetime
from pathlib import Path

from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.founding import Wishes, open_federation
from ridgeway.coordinator.schema import open_ledger
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.simulation.tiny_embedder import tiny_embedder


def opened(path: Path, masking: Masking) -> Federation:
    """Open it; found it if there is none."""
    directory = DataDirectory(path, "coordinator", create=True)
    database = SqliteDatabase(open_ledger(str(path / "ledger.db")))
    wishes = Wishes(features=FeatureMap.TOKENS, masking=masking)
    return open_federation(
        directory, database, wishes, lambda: tiny_embedder().fingerprint, datetime.now(UTC)
    ).federation
