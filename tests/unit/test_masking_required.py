"""A federation that masks takes no contribution that shows one owner's sums, whoever signed it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import toy

from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.federation import MaskingRequired
from ridgeway.coordinator.founding import Wishes, open_federation
from ridgeway.coordinator.ledger import Member
from ridgeway.coordinator.schema import open_ledger
from ridgeway.crypto.identity import IdentityKey
from ridgeway.manifest import FeatureMap
from ridgeway.proto.messages import ContributionBody, MemberState
from ridgeway.proto.records import RECORD_VERSION, sign_contribution
from ridgeway.runtime.data_dir import DataDirectory


def test_an_unmasked_contribution_is_refused(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "coordinator", "coordinator", create=True)
    database = SqliteDatabase(open_ledger(str(directory.path / "ledger.db")))
    wishes = Wishes(features=FeatureMap.TOKENS)
    federation = open_federation(
        directory, database, wishes, lambda: toy.toy_embedder().fingerprint, datetime.now(UTC)
    ).federation
    key, size = IdentityKey.generate(), 8 * federation.manifest.layout.numbers
    body = ContributionBody(
        RECORD_VERSION, federation.manifest.federation_id, "alpha", "law", 1, federation.manifest_digest, 3, size,
        (bytes(32),), 8,
    )  # fmt: skip
    member = Member("alpha", MemberState.ACTIVE, key.public_bytes, 0, None)
    with pytest.raises(MaskingRequired, match="masked contributions only"):
        federation.offer(member, sign_contribution(key, body))
    federation.close()
