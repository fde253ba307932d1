"""A commit of a round: the sum before stays until the ledger names the new one; a full round leaves no other place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_federation import opened

from ridgeway.coordinator.database import LedgerUnwritable
from ridgeway.coordinator.federation import Federation
from ridgeway.manifest import Masking
from ridgeway.proto import messages as m
from ridgeway.round_vector import SignedContribution, change
from ridgeway.secagg.aggregator import Sum
from ridgeway.simulation.tiny_embedder import contribution_of


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = opened(tmp_path / "coordinator", Masking.REQUIRED)
    for serial, owner in enumerate(("alpha", "beta")):
        made.ledger.enrol(owner, bytes(32), serial, 0, 0)
    yield made
    made.close()


def commit(federation: Federation, kind: m.RoundKind, owner: str) -> None:
    known = contribution_of(["w1 w2"], federation.manifest)
    vector = change(federation.manifest.layout, ("law",), [SignedContribution("law", known.vector, known.rows, 1)])
    body = m.AdvertisementBody(owner=owner, changed=True, domains=("law",), remaining=("law",))
    federation.commit_round(federation.call_round(kind), Sum(vector, ("law",), (body,)))


def test_the_sum_before_stays_until_the_ledger_names_the_new_one(
    federation: Federation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(federation, m.RoundKind.INCREMENTAL, "alpha")
    before = federation.sum_digest

    def full(*_: object) -> None:
        raise LedgerUnwritable("the disk is full")

    with monkeypatch.context() as disk, pytest.raises(LedgerUnwritable):
        disk.setattr(federation.ledger, "commit_round", full)
        commit(federation, m.RoundKind.INCREMENTAL, "beta")
    assert federation.sum_digest == before
    again = opened(tmp_path / "coordinator", Masking.REQUIRED)
    assert again.sum_digest == before
    again.close()


def test_a_full_round_leaves_the_places_of_its_survivors_only(federation: Federation) -> None:
    commit(federation, m.RoundKind.INCREMENTAL, "alpha")
    commit(federation, m.RoundKind.FULL, "beta")
    assert list(federation.ledger.places()) == ["beta"]
