"""What a coordinator keeps is bounded: trials of old routers, uploads left behind, chunks that wait for the disk."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from toy import toy_embedder

from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.federation_service import _receive
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.payload_store import PARTIAL_KEPT_S, PayloadKey, PayloadStore
from ridgeway.coordinator.schema import open_ledger
from ridgeway.coordinator.trials import VERSIONS_KEPT, Trials
from ridgeway.coordinator.uploads import CHUNKS_BEHIND
from ridgeway.crypto.identity import IdentityKey
from ridgeway.manifest import Manifest
from ridgeway.proto import messages as m
from ridgeway.proto.trial_report import to_message
from ridgeway.trial import CONFIDENCE_SHAPE, Counts, TrialSum, ways_to_decide

MANIFEST = Manifest("test", toy_embedder().fingerprint)
WAYS = len(ways_to_decide(MANIFEST))


def counts() -> list[Counts]:
    return [Counts(np.zeros(2, np.int64), np.zeros(CONFIDENCE_SHAPE, np.int64)) for _ in range(WAYS)]


@pytest.mark.parametrize("masked", [False, True])
def test_only_the_newest_routers_trials_are_kept_in_memory_and_in_the_ledger(tmp_path: Path, masked: bool) -> None:
    ledger = Ledger(SqliteDatabase(open_ledger(str(tmp_path / "ledger.db"))))
    ledger.enrol("alpha", IdentityKey.generate().public_bytes, 1, 1, 1)
    trials = Trials(ledger, MANIFEST)
    for version in range(1, VERSIONS_KEPT + 6):
        if masked:
            trials.take_sum(version, ("law",), TrialSum.of(WAYS, ("law",), [{"law": counts()}]).to_vector())
        else:
            trials.take("alpha", {"law"}, to_message(version, ("law",), {"law": counts()}))
    newest = list(range(6, VERSIONS_KEPT + 6))
    assert sorted(version for version, _ in trials.newest(1000)) == newest
    assert [row[0] for row in (ledger.masked_trials() if masked else ledger.trials())] == newest
    assert sorted(version for version, _ in Trials(ledger, MANIFEST).newest(1000)) == newest
    ledger.close()


def test_an_upload_that_nobody_resumed_for_a_day_is_removed_at_a_start(tmp_path: Path) -> None:
    now_s = 1_000_000.0
    names = {name: PayloadKey("clinic", name, b"\x01" * 32) for name in ("old", "recent", "committed")}
    for name, age_s in (("old", PARTIAL_KEPT_S + 1), ("recent", PARTIAL_KEPT_S - 1), ("committed", 9 * PARTIAL_KEPT_S)):
        path = tmp_path / names[name].file_name
        path.write_bytes(b"part")
        os.utime(path, (now_s - age_s, now_s - age_s))
    PayloadStore(tmp_path).keep_only([names["committed"]], now_s)
    assert {path.name for path in tmp_path.iterdir()} == {names["recent"].file_name, names["committed"].file_name}


async def test_a_slow_disk_lets_only_so_many_chunks_come() -> None:
    """What the disk has not taken stays with its sender, since nobody asks gRPC for more."""
    taken, written, disk = 0, [], threading.Event()

    async def requests() -> AsyncIterator[m.ContributeRequest]:
        nonlocal taken
        for index in range(20):
            taken += 1
            yield m.ContributeRequest(chunk=m.PayloadChunk(index, b"x"))

    def write(index: int, _: bytes) -> None:
        assert disk.wait(10)
        written.append(index)

    staged: Any = SimpleNamespace(assembly=SimpleNamespace(next_chunk=0, chunk_digests=[b""] * 20), write=write)
    receiving = asyncio.create_task(_receive(requests(), staged, lambda: None, lambda: None))
    await asyncio.sleep(0.1)
    # One more is in hand, for which there is no place yet.
    assert (taken, written) == (CHUNKS_BEHIND + 1, [])
    disk.set()
    async with asyncio.timeout(10):
        await receiving
    assert written == list(range(20))
