"""A real coordinator process that everybody dials first, killed while the federation goes on."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import toy
from node_running import words, write_prompts
from peer_running import PeerHome, peer

from ridgeway.manifest import COORDINATOR, Manifest
from ridgeway.peers.keyring import read_charter
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory

LAW, CODE, MEDICINE = words(1), words(7), words(13)


@asynccontextmanager
async def coordinator(home: PeerHome) -> AsyncIterator[asyncio.subprocess.Process]:
    """`ridgeway coordinator` while the block runs, if nobody kills it."""
    arguments = ["coordinator", "--data-dir", str(home.data_dir), "--listen", f"127.0.0.1:{home.port}", "--json"]
    if not home.data_dir.exists():
        agreed = ("--masking", "off", "--features", "tokens", "--columns", "0", "--embedder", str(home.embedder))
        arguments += ["--if-lost", "gossip", *agreed]
    with home.data_dir.with_suffix(".log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ridgeway.cli.main", *arguments, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        assert child.stdout
        assert b"ready" in await child.stdout.readline(), home.data_dir.with_suffix(".log").read_text()[-3000:]
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.wait()


async def status_command(home: PeerHome) -> Any:
    """`ridgeway status --json`."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ridgeway.cli.main", "status", "--data-dir", str(home.data_dir), "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    return json.loads(out)


def sees(state: m.PeerState, status: m.NodeStatus) -> bool:
    """Whether a node sees the coordinator so."""
    return status.gossip is not None and (COORDINATOR, state) in {(p.owner, p.state) for p in status.gossip.peers}


async def test_a_federation_loses_its_coordinator_and_goes_on(tmp_path: Path) -> None:
    embedder = toy.write_toy_embedder(tmp_path / "toy")
    middle = PeerHome(tmp_path / "middle", embedder)
    homes = {owner: PeerHome(tmp_path / owner, embedder) for owner in ("ann", "bob", "cat")}
    said: dict[tuple[str, str], list[str]] = {}

    async def contribute(owner: str, domain: str, prompts: list[str], token: str = "") -> None:
        path = write_prompts(tmp_path / f"{owner}-{domain}.jsonl", prompts)
        await homes[owner].join(token, {domain: path})
        said[owner, domain] = prompts

    async def agree(manifest: Manifest, *members: PeerHome) -> None:
        for member in members:
            await member.holds(said, manifest)

    async with AsyncExitStack() as nodes:
        async with coordinator(middle) as process:
            manifest = read_charter(DataDirectory(middle.data_dir, "node")).manifest
            for owner, prompts in (("ann", LAW), ("bob", CODE)):
                await nodes.enter_async_context(peer(homes[owner]))
                await contribute(owner, "law" if owner == "ann" else "code", prompts, await middle.invite(owner))
            await agree(manifest, middle, homes["ann"], homes["bob"])
            await middle.administer(rpc.APPOINT, m.OwnerRequest("ann"))
            await homes["ann"].until(lambda s: s.gossip and s.gossip.administrator)
            before = await status_command(homes["bob"])
            assert before["manifest"]["coordination"] == "mixed"
            assert before["node"]["gossip"]["coordinator"] == COORDINATOR
            process.kill()
            assert await process.wait() == -signal.SIGKILL
        for owner in ("ann", "bob"):
            await homes[owner].until(lambda status: sees(m.PeerState.DEAD, status))
        await contribute("bob", "code", words(22))
        await nodes.enter_async_context(peer(homes["cat"]))
        await contribute("cat", "medicine", MEDICINE, await homes["ann"].invite("cat"))
        await agree(manifest, *homes.values())
        newest = max([(await home.status()).router_version for home in homes.values()])
        for home in homes.values():
            await home.until(lambda s: s.router_version == newest)
        assert len({(await home.route("w13 w14 w15")).domain for home in homes.values()}) == 1
        async with coordinator(middle):
            await agree(manifest, middle)
            for home in homes.values():
                await home.until(lambda status: sees(m.PeerState.ALIVE, status))
            token = await middle.invite("dan")
            homes["dan"] = PeerHome(tmp_path / "dan", embedder)
            await nodes.enter_async_context(peer(homes["dan"]))
            await contribute("dan", "law", words(30), token)
            await agree(manifest, middle, *homes.values())
