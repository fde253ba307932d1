"""Hold-outs on disk, and trials of another release in the ledger: what cannot be read stops nothing else."""

import sqlite3
import stat
from pathlib import Path

import numpy as np
import pytest
from toy import toy_embedder

from ridgeway.cli.trial_view import trial_tables
from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.schema import open_ledger
from ridgeway.coordinator.trials import Trials
from ridgeway.manifest import Manifest
from ridgeway.node.hold_outs import HoldOutDamaged, HoldOuts
from ridgeway.proto import messages as m
from ridgeway.proto.codec import encode
from ridgeway.proto.status_document import is_too_small, trial_document

MANIFEST = Manifest("test", toy_embedder().fingerprint)


def test_what_is_held_out_comes_back_and_goes_with_its_payload(tmp_path: Path) -> None:
    files = HoldOuts(tmp_path)
    prompts = [[1, 2, 3], [], [30521]]
    files.write("one", prompts)
    files.write("none", [])
    assert files.read("one") == prompts
    assert files.read("none") == files.read("never") == []
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    files.keep_only({"none"})
    assert files.read("one") == []


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", b"not an archive"])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "one").write_bytes(damage)
    with pytest.raises(HoldOutDamaged, match="remove it"):
        HoldOuts(tmp_path).read("one")


def test_a_file_of_a_newer_release_or_with_objects_is_refused(tmp_path: Path) -> None:
    for name, version in (("newer", np.int64(9)), ("objects", np.array([{}], dtype=object))):
        with (tmp_path / name).open("wb") as file:
            np.savez(file, version=version, lengths=np.zeros(0, np.int64), ids=np.zeros(0, np.int32))
        with pytest.raises(HoldOutDamaged):
            HoldOuts(tmp_path).read(name)


def test_trials_that_another_release_counted_are_left_out_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(SqliteDatabase(open_ledger(str(path))))
    old = m.TrialReport(3, ("law",), (m.DomainTrial("law", (m.TrialCounts((1, 0), (1, 2, 3)),)),))
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO members VALUES ('alpha', 2, x'00', 0, NULL)")
        connection.execute("INSERT INTO trials VALUES (3, 'alpha', ?)", (encode(old),))
        connection.execute("INSERT INTO trials VALUES (4, 'alpha', x'ff')")
    trials = Trials(ledger, MANIFEST)
    assert trials.newest() == []
    assert trials.verdict(3) is None
    ledger.close()


def test_status_says_which_domains_are_too_small_and_what_was_tried() -> None:
    assert is_too_small(m.DomainStatus("law", 49), "pooled")
    assert not is_too_small(m.DomainStatus("law", 50), "pooled")
    assert is_too_small(m.DomainStatus("law", 1999), "tokens")
    trial = m.RouterTrial(7, 12, 0.75, 9.0, 0.01, "votes", 10, ("law", "math"), (5, 1, 0, 2, 3, 1))
    document = trial_document(trial)
    assert document["confusion"] == [[5, 1, 0], [2, 3, 1]]
    assert (document["router_version"], document["balanced_accuracy"]) == (7, 0.75)
    confusion, history = trial_tables(m.FederationStatus(trials=(trial,)))
    assert (confusion.row_count, history.row_count) == (2, 1)
    assert trial_tables(m.FederationStatus()) == []
