"""Payloads of any width add up to the same sum, and what a release before wrote, eight bytes a number, still counts."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from light_client import Owner, random_contribution
from running import DIMENSION, Running, refused, running

from ridgeway import triangle
from ridgeway.crypto.payload_digest import chunk_digests
from ridgeway.manifest import Manifest
from ridgeway.narrow_integers import WIDTH_MAX, pack, smallest_width
from ridgeway.node.contribution import computed_before, signer
from ridgeway.node.state import Prepared
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.proto.records import open_contribution, sign_contribution


async def contribute(owner: Owner, domain: str, seed: int, width: int) -> None:
    vector = random_contribution(seed, owner.manifest)
    async with owner.channel() as channel:
        await owner.upload(channel, owner.sign(domain, vector, 20, width), bytes(pack(vector, width)))


async def contribute_as_before(owner: Owner, domain: str, seed: int) -> None:
    """With a record of version 1, which says nothing of a width."""
    vector = random_contribution(seed, owner.manifest)
    record = owner.sign(domain, vector, format_version=1, bytes_per_number=0)
    async with owner.channel() as channel:
        await owner.upload(channel, record, vector.tobytes())


async def sum_of(coordinator: Running) -> bytes:
    return (await coordinator.status()).sum_digest


async def test_the_sum_does_not_depend_on_widths_nor_on_restarts(tmp_path: Path) -> None:
    async with running(tmp_path) as coordinator:
        alice = await coordinator.owner("alice")
        narrow = smallest_width(random_contribution(1, alice.manifest))
        assert narrow < WIDTH_MAX
        await contribute(alice, "law", 1, WIDTH_MAX)
        await contribute(alice, "math", 2, WIDTH_MAX)
        wide = await sum_of(coordinator)
        await contribute(alice, "law", 1, narrow)
        assert await sum_of(coordinator) == wide
        await contribute(alice, "math", 2, narrow + 1)
        assert await sum_of(coordinator) == wide
        await contribute_as_before(alice, "code", 3)
        three = await sum_of(coordinator)
    async with running(tmp_path) as coordinator:
        assert await sum_of(coordinator) == three


@pytest.mark.parametrize("change", [-1, 1, DIMENSION])
async def test_a_payload_of_another_length_than_its_width_says_is_refused(tmp_path: Path, change: int) -> None:
    async with running(tmp_path) as coordinator:
        alice = await coordinator.owner("alice")
        before = await coordinator.traceless()
        payload = bytes(5 * triangle.length(DIMENSION) + change)
        record = alice.sign(
            "law",
            random_contribution(1, alice.manifest),
            20,
            5,
            payload_bytes=len(payload),
            chunk_digests=tuple(chunk_digests(payload)),
        )
        async with refused(grpc.StatusCode.OUT_OF_RANGE, "at 5 a number"), alice.channel() as channel:
            await alice.upload(channel, record, payload)
        assert await coordinator.traceless() == before


async def test_numbers_are_checked_at_every_width(tmp_path: Path) -> None:
    async with running(tmp_path) as coordinator:
        alice = await coordinator.owner("alice")
        before = await coordinator.traceless()
        vector = random_contribution(1, alice.manifest)
        vector[0] = -1
        for width in (5, WIDTH_MAX):
            async with refused(grpc.StatusCode.INVALID_ARGUMENT, "squares"), alice.channel() as channel:
                await alice.upload(channel, alice.sign("law", vector, 20, width), bytes(pack(vector, width)))
        assert await coordinator.traceless() == before


async def test_a_ledger_from_before_widths_gives_the_same_sum(tmp_path: Path) -> None:
    async with running(tmp_path) as coordinator:
        alice = await coordinator.owner("alice")
        await contribute_as_before(alice, "law", 1)
        before = await sum_of(coordinator)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        for table in ("places", "rounds", "masked_trials"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE standings DROP COLUMN bytes_per_number")
        connection.execute("PRAGMA user_version = 3")
    async with running(tmp_path) as coordinator:
        assert await sum_of(coordinator) == before
        alice.address = coordinator.endpoints.members
        await contribute(alice, "law", 1, 5)
        assert await sum_of(coordinator) == before


async def test_a_node_signs_a_record_from_before_widths_again(tmp_path: Path) -> None:
    async with running(tmp_path) as coordinator:
        alice = await coordinator.owner("alice")
        vector = random_contribution(1, alice.manifest)
        old = replace(alice.body("law", vector.tobytes(), 20), format_version=1)
        prepared = Prepared("law", 1, sign_contribution(alice.key, old), 20, "p", "s", committed=False)
        computed = computed_before(prepared, alice.key)
        assert computed.bytes_per_number == WIDTH_MAX
        assert isinstance(alice.manifest, Manifest)
        record = signer(alice.key, "alice", alice.manifest, "law", computed)(7)
        body = open_contribution(record, alice.key.public_bytes)
        assert body == replace(old, format_version=2, sequence=7, bytes_per_number=WIDTH_MAX)
        assert decode(m.ContributionBody, record.body) == body
        async with alice.channel() as channel:
            assert (await alice.upload(channel, record, vector.tobytes())).sequence == 7
