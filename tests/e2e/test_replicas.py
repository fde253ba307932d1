"""Two coordinator replicas on one PostgreSQL behind one address, the leader killed again and again."""

import asyncio
import contextlib
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import toy
from cli_running import document
from free_port import free_port
from light_client import Owner
from node_running import NodeHome, daemon, expected_digest, words, write_prompts
from postgres_running import Postgres, postgres, programs
from running import until
from tireless_owner import TirelessOwner

from ridgeway.cli.administer import administer
from ridgeway.cli.local_federation import LocalFederationError, Process
from ridgeway.coordinator.leading import AnotherLeads, located, open_alone
from ridgeway.coordinator.postgres import BadLedgerUrl, LedgerUnreachable, PostgresDatabase
from ridgeway.coordinator.restoration import LEAP
from ridgeway.embedders import load_embedder
from ridgeway.manifest import Manifest
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.sums import FederationSum

SEED = 7
KILLS = 8
DIMENSION = 520


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def ledger(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database; the password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", server.password)
    main = PostgresDatabase(server.url)
    for command in ("DROP DATABASE IF EXISTS ledger WITH (FORCE)", "CREATE DATABASE ledger"):
        main.execute(command)
    main.close()
    yield server.url.removesuffix("/postgres") + "/ledger"


@dataclass
class Replicas:
    """Replicas on 127.0.0.2 and 127.0.0.3, and before them a forwarder on 127.0.0.1 with the same ports."""

    folder: Path
    ledger: str
    options: tuple[str, ...]
    port: int = field(default_factory=free_port)
    running: dict[int, Process] = field(default_factory=dict)
    starting: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    def data_dir(self, replica: int) -> Path:
        return self.folder / f"replica-{replica}"

    async def start(self, replica: int) -> None:
        """Start a replica; its task is done when it leads."""
        where = ("--listen", f"127.0.0.{replica}:{self.port}", "--advertise", "127.0.0.1", "--ledger", self.ledger)
        arguments = ("coordinator", "--data-dir", str(self.data_dir(replica)), "--json", *where, *self.options)
        process = self.running[replica] = await Process.start(
            f"replica {replica}", self.folder / f"log-{replica}", *arguments
        )

        async def leads() -> None:
            await process.ready()

        self.starting[replica] = asyncio.create_task(leads())

    async def leader(self) -> int:
        """The replica that leads; waits for it."""
        await asyncio.wait(self.starting.values(), return_when=asyncio.FIRST_COMPLETED)
        (leading,) = (replica for replica, task in self.starting.items() if task.done())
        await self.starting[leading]
        return leading

    async def fail_over(self) -> None:
        """Kill the leader, wait until the other one leads, and let the killed one stand by."""
        killed = await self.leader()
        self.running[killed].child.kill()
        await self.running[killed].child.wait()
        del self.starting[killed]
        assert await self.leader() != killed
        await self.start(killed)

    async def administer(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        return await administer(self.data_dir(await self.leader()), method, request)

    async def invite(self, owner: str) -> str:
        return (await self.administer(rpc.INVITE, m.InviteRequest(owner, 600))).token

    async def stop(self) -> list[int]:
        codes = [await process.stop() for process in self.running.values()]
        await asyncio.gather(*self.starting.values(), return_exceptions=True)
        return codes

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to whichever replica listens."""
        port = writer.get_extra_info("sockname")[1]
        with contextlib.suppress(OSError, asyncio.CancelledError):
            for replica in (2, 3):
                with contextlib.suppress(ConnectionError):
                    there = await asyncio.open_connection(f"127.0.0.{replica}", port)
                    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
                    break
        writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def replicas(folder: Path, ledger: str, *options: str) -> AsyncIterator[Replicas]:
    """Found a federation with one replica, give the other its authority, and put a forwarder before both."""
    made = Replicas(folder, ledger, options)
    listening = [await asyncio.start_server(made.forward, "127.0.0.1", port) for port in (made.port, made.port + 1)]
    try:
        await made.start(2)
        assert await made.leader() == 2
        DataDirectory(made.data_dir(3), "coordinator", create=True)
        for name in ("authority.key", "authority.pem"):
            shutil.copy(made.data_dir(2) / name, made.data_dir(3) / name)
        await made.start(3)
        yield made
    finally:
        codes = await made.stop()
        for one in listening:
            one.close()
    # One that was started a moment ago does not handle the signal yet.
    assert 0 in codes
    assert set(codes) <= {0, -signal.SIGTERM}


@pytest.mark.timeout(180)
async def test_the_leader_killed_during_uploads_loses_nothing_and_doubles_nothing(tmp_path: Path, ledger: str) -> None:
    draw = random.Random(SEED)
    print(f"seed {SEED}")
    folder = toy.write_toy_embedder(tmp_path / "toy", dimension=DIMENSION - 1)
    async with replicas(tmp_path, ledger, "--embedder", str(folder), "--masking", "off") as coordinators:
        owners = []
        for i in range(3):
            owner = Owner(f"owner-{i}")
            await owner.enrol(await coordinators.invite(owner.name), load_embedder(str(folder)).fingerprint)
            owners.append(TirelessOwner(owner, random.Random(draw.getrandbits(32))))
        stop = asyncio.Event()
        running = [asyncio.create_task(owner.run(stop)) for owner in owners]
        for _ in range(KILLS):
            await asyncio.sleep(draw.uniform(0.1, 1.2))
            await coordinators.fail_over()
            assert all([await owner.nothing_acknowledged_is_lost() for owner in owners])
        stop.set()
        await asyncio.gather(*running)
        manifest = owners[0].owner.manifest
        assert manifest is not None
        expected = FederationSum(manifest.layout)
        for tireless in owners:
            for domain, vector in tireless.holds.items():
                expected.add(domain, vector, 20)
        status = await coordinators.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())
        assert status.sum_digest == expected.digest(manifest.digest())
        assert sum(owner.operations for owner in owners) >= KILLS


@pytest.mark.timeout(180)
async def test_the_leader_killed_during_masked_rounds(tmp_path: Path, ledger: str) -> None:
    draw = random.Random(SEED)
    folder = toy.write_toy_embedder(tmp_path / "toy")
    names = ("alpha", "beta", "gamma")
    options = ("--embedder", str(folder), "--features", "tokens")
    async with replicas(tmp_path, ledger, *options) as coordinators, contextlib.AsyncExitStack() as stack:
        nodes = {name: NodeHome(tmp_path / name, folder) for name in names}
        for node in nodes.values():
            await stack.enter_async_context(daemon(node))
        tokens = {name: await coordinators.invite(name) for name in names}
        for edition in range(4):
            said = {name: words(place + 5 * edition) for place, name in enumerate(names)}
            sources = {name: write_prompts(tmp_path / f"{name}.jsonl", said[name]) for name in names}
            changing = asyncio.gather(
                *(node.join(tokens.pop(name, ""), {"law": sources[name]}) for name, node in nodes.items())
            )
            await asyncio.sleep(draw.uniform(0.8, 1.6))
            await coordinators.fail_over()
            async with asyncio.timeout(60):
                await changing
            status = await coordinators.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())
            manifest = Manifest.from_json(status.manifest_json)
            held = {(name, "law"): prompts for name, prompts in said.items()}
            assert status.sum_digest == expected_digest(manifest, held), f"seed {SEED}, edition {edition}"


async def test_a_dump_and_a_backup_bring_a_federation_back(tmp_path: Path, ledger: str) -> None:
    """As docs/operations.md says: dump and backup in that order, restored in that order."""
    folder, data_dir = toy.write_toy_embedder(tmp_path / "toy"), tmp_path / "coordinator"
    node, law, math = NodeHome(tmp_path / "alice", folder), words(1), words(2)
    options = ("--embedder", str(folder), "--features", "tokens", "--masking", "off", "--ledger", ledger)
    arguments = ("coordinator", "--data-dir", str(data_dir), "--listen", f"127.0.0.1:{free_port()}", "--json", *options)
    sources = {name: write_prompts(tmp_path / f"{name}.jsonl", text) for name, text in (("law", law), ("math", math))}

    async def status() -> m.FederationStatus:
        return await administer(data_dir, rpc.ADMIN_STATUS, m.GetStatusRequest())

    async with daemon(node):
        process = await Process.start("before", tmp_path / "log", *arguments)
        await process.ready()
        token = (await administer(data_dir, rpc.INVITE, m.InviteRequest("alice", 600))).token
        await node.join(token, {"law": sources["law"]})
        before = await status()
        await asyncio.to_thread(_program, "pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}", ledger)
        backup = ("backup", "--data-dir", str(data_dir), "-o", str(tmp_path / "backup"), "--with-keys")
        await asyncio.to_thread(document, *backup)
        await node.join("", {"math": sources["math"]})
        after = await status()
        assert await process.stop() == 0
        shutil.rmtree(data_dir)
        await asyncio.to_thread(_program, "pg_restore", "--clean", f"--dbname={ledger}", str(tmp_path / "dump"))
        await asyncio.to_thread(document, "restore", str(tmp_path / "backup"), "--data-dir", str(data_dir))
        assert {p.name for p in data_dir.iterdir()} >= {"authority.key", "authority.pem"}
        process = await Process.start("after", tmp_path / "log", *arguments)
        await process.ready()
        # The node, which nobody touches, sends again what the older database lacks.
        async with asyncio.timeout(60):
            while (found := await status()).sum_digest != after.sum_digest:
                assert found.sum_digest == before.sum_digest
                await asyncio.sleep(0.05)
        await node.until(lambda s: s.router_version > LEAP, timeout_s=60)
        assert await process.stop() == 0


def _program(name: str, *arguments: str) -> None:
    made = subprocess.run((str(programs() / name), *arguments), capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()


async def test_a_leader_that_loses_its_session_ends_and_the_other_leads(tmp_path: Path, ledger: str) -> None:
    folder = toy.write_toy_embedder(tmp_path / "toy")
    async with replicas(tmp_path, ledger, "--embedder", str(folder)) as coordinators:
        before = await coordinators.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())
        session = await asyncio.to_thread(PostgresDatabase, ledger)
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = ? AND granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            ("advisory",),
        )
        session.close()
        async with asyncio.timeout(20):
            assert await coordinators.running.pop(2).child.wait() != 0
        assert "another replica leads now" in (tmp_path / "log-2").read_text()
        del coordinators.starting[2]
        assert await coordinators.leader() == 3
        after = await coordinators.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())
        assert (after.federation_id, after.sum_digest) == (before.federation_id, before.sum_digest)
        await coordinators.start(2)


async def test_a_replica_without_the_authority_does_not_stand_by(tmp_path: Path, ledger: str) -> None:
    folder = toy.write_toy_embedder(tmp_path / "toy")
    async with replicas(tmp_path, ledger, "--embedder", str(folder)) as coordinators:
        await coordinators.start(4)
        with pytest.raises(LocalFederationError, match=r"copy its authority\.key"):
            await coordinators.starting.pop(4)
        assert await coordinators.running.pop(4).stop() != 0


async def test_only_the_leader_s_machine_administers(tmp_path: Path, ledger: str) -> None:
    folder = toy.write_toy_embedder(tmp_path / "toy")
    async with replicas(tmp_path, ledger, "--embedder", str(folder)) as coordinators:
        await until(lambda: "standing by" in (tmp_path / "log-3").read_text())
        with pytest.raises(AnotherLeads, match="another replica"):
            await administer(coordinators.data_dir(3), rpc.INVITE, m.InviteRequest("alpha", 600))


def test_a_session_that_is_lost_takes_the_lead_with_it(ledger: str) -> None:
    first, second = PostgresDatabase(ledger), PostgresDatabase(ledger)
    assert first.try_to_lead()
    assert not second.try_to_lead()
    ((backend,),) = first.execute("SELECT pg_backend_pid()")
    second.execute("SELECT pg_terminate_backend(?)", (backend,))
    with pytest.raises(LedgerUnreachable, match="another replica leads"), first.transaction():
        first.execute("INSERT INTO settings VALUES (?, ?)", ("late", b""))
    assert second.try_to_lead()
    assert second.execute("SELECT * FROM settings WHERE name = ?", ("late",)) == []
    for database in (first, second):
        database.close()


def test_a_transaction_is_whole_or_not_there_and_keeps_files(ledger: str) -> None:
    database = PostgresDatabase(ledger)
    assert database.try_to_lead()
    content = bytes(range(256)) * 8192
    with database.transaction():
        database.keep_file("payload", [memoryview(content)[:100], memoryview(content)[100:]])
    with pytest.raises(KeyboardInterrupt), database.transaction():
        database.forget_file("payload")
        raise KeyboardInterrupt
    assert b"".join(database.kept_file("payload")) == content
    database.forget_file("payload")
    assert list(database.kept_file("payload")) == []
    database.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://u:secret@h/d", "password"),
        ("postgresql://h/d?password=secret", "password"),
        ("mysql://h/d", "postgresql://"),
        ("ledger.db", "postgresql://"),
    ],
)
def test_addresses_that_are_refused(url: str, why: str) -> None:
    with pytest.raises(BadLedgerUrl, match=why) as refused:
        PostgresDatabase(url)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "not-shown")
    with pytest.raises(LedgerUnreachable, match="cannot be reached") as refused:
        PostgresDatabase(f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    assert "not-shown" not in str(refused.value)


def test_a_directory_with_a_ledger_of_its_own_takes_no_other(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "coordinator", "coordinator", create=True)
    open_alone(directory).close()
    with pytest.raises(BadLedgerUrl, match="a file of its own"):
        located(directory, "postgresql://h/d")
