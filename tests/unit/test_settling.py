"""Between the ledger and the sum: a contribution counts once it is committed, whoever looks first, and only once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_federation import opened

from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.ledger import Member
from ridgeway.coordinator.payload_store import PayloadMissing
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.payload_digest import chunk_digests
from ridgeway.manifest import Masking
from ridgeway.proto.messages import ContributionBody, MemberState, WithdrawalBody
from ridgeway.proto.records import RECORD_VERSION, sign_contribution, sign_withdrawal
from ridgeway.simulation.tiny_embedder import contribution_of
from ridgeway.sums import FederationSum

KEY = IdentityKey.generate()


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = opened(tmp_path / "coordinator", Masking.OFF)
    made.ledger.enrol("alpha", KEY.public_bytes, 1, 0, 0)
    made.membership.reload(made.ledger)
    yield made
    made.close()


def member() -> Member:
    return Member("alpha", MemberState.ACTIVE, KEY.public_bytes, 0, None)


def commit(federation: Federation, sequence: int, prompt: str) -> None:
    """What the service does for one upload, without a look at the sum in between."""
    known = contribution_of([prompt], federation.manifest)
    payload = known.vector.tobytes()
    body = ContributionBody(
        RECORD_VERSION, federation.manifest.federation_id, "alpha", "law", sequence, federation.manifest_digest,
        known.rows, len(payload), tuple(chunk_digests(payload)), 8,
    )  # fmt: skip
    offer = federation.take_in(member(), sign_contribution(KEY, body))
    staged = federation.stage(offer)
    staged.write(0, payload)
    federation.finish(offer, staged)
    staged.close()
    assert federation.commit(offer)


def withdraw(federation: Federation, sequence: int) -> bytes:
    body = WithdrawalBody(RECORD_VERSION, federation.manifest.federation_id, "alpha", "law", sequence)
    return federation.withdraw(member(), sign_withdrawal(KEY, body)).sum_digest


def expected(federation: Federation, prompt: str) -> bytes:
    known = contribution_of([prompt], federation.manifest)
    total = FederationSum(federation.manifest.layout)
    total.add("law", known.vector, known.rows)
    return total.digest(federation.manifest_digest)


def test_whoever_looks_at_the_sum_sees_what_is_committed(federation: Federation, tmp_path: Path) -> None:
    commit(federation, 1, "w1 w2")
    assert federation.sum.domains == ("law",)
    commit(federation, 2, "w3")
    assert federation.sum_digest == expected(federation, "w3")
    federation.settle()
    assert federation.sum_digest == expected(federation, "w3")
    assert len(list((tmp_path / "coordinator" / "payloads").iterdir())) == 1


def test_changes_that_nobody_looked_at_in_between_are_applied_in_order(federation: Federation) -> None:
    empty = federation.sum_digest
    commit(federation, 1, "w1 w2")
    commit(federation, 2, "w3")
    assert withdraw(federation, 3) == empty


def test_what_was_committed_and_not_settled_is_there_after_a_crash(federation: Federation, tmp_path: Path) -> None:
    commit(federation, 1, "w1 w2")
    commit(federation, 2, "w3")
    again = opened(tmp_path / "coordinator", Masking.OFF)
    assert again.sum_digest == expected(federation, "w3")
    again.close()


def test_a_change_that_cannot_be_applied_is_never_applied_by_half(federation: Federation, tmp_path: Path) -> None:
    commit(federation, 1, "w1 w2")
    before = federation.sum.copy().digest(federation.manifest_digest)
    (replaced,) = (tmp_path / "coordinator" / "payloads").iterdir()
    commit(federation, 2, "w3")
    content = replaced.read_bytes()
    replaced.unlink()
    for _ in range(2):
        with pytest.raises(PayloadMissing, match="restore the data directory"):
            federation.settle()
        assert federation._sum.digest(federation.manifest_digest) == before
    replaced.write_bytes(content)
    assert federation.sum_digest == expected(federation, "w3")
