"""A whole federation on this machine, in processes of its own: for the demo, and for trying out one's own prompts.

Everything is the real thing: the coordinator and each node are started as `ridgeway coordinator` and `ridgeway node`,
owners join with one-time invitations over mutual TLS, and prompts are routed by a node's own service.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from ridgeway.cli.administer import administer
from ridgeway.cli.plain_sum import plain_digest
from ridgeway.errors import RidgewayError
from ridgeway.node.control_service import SOCKET
from ridgeway.node.handover import join_federation, leave_federation, node_status
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.local_socket import connect
from ridgeway.runtime.remote_errors import translated

START_WAIT_S = 60.0
ROUTER_WAIT_S = 60.0
STOP_WAIT_S = 20.0
POLL_S = 0.02
TRIAL_QUIET_S = 1.0
HOLD_OUT = 0.1
PROMPTS_PER_CALL = 512
LOG_LINES_SHOWN = 15


class LocalFederationError(RidgewayError):
    """A process that did not do what it should."""


@dataclass(slots=True)
class Process:
    """One child process, its name and its log."""

    name: str
    log: Path
    child: asyncio.subprocess.Process

    @classmethod
    async def start(cls, name: str, log: Path, *arguments: str) -> "Process":
        """Start `ridgeway ARGUMENTS`; its log goes to a file, its standard output to us."""
        with log.open("ab") as errors:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ridgeway.cli.main",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        return cls(name, log, child)

    async def ready(self) -> dict[str, str]:
        """The line that says it is ready.

        Raises:
            LocalFederationError: it ended, or said nothing in time.
        """
        assert self.child.stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            async with asyncio.timeout(START_WAIT_S):
                line = await self.child.stdout.readline()
            document: dict[str, str] = json.loads(line)
        except (TimeoutError, ValueError) as error:
            raise LocalFederationError(f"{self.name} did not start; the end of its log:\n{self.log_tail()}") from error
        return document

    async def stop(self) -> int:
        """End it in order with SIGTERM, or with SIGKILL if it does not; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WAIT_S):
                return await self.child.wait()
        except TimeoutError:
            self.child.kill()
            return await self.child.wait()

    def log_tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])


@dataclass(frozen=True, slots=True)
class Joined:
    """What a join gave: the sum's digest after it, the router that everyone then had, and how long both took."""

    owner: str
    domains: tuple[str, ...]
    rows: int
    sum_digest: str
    router_version: int
    committed_s: float
    everywhere_s: float


@dataclass(slots=True)
class LocalFederation:
    """Processes under one directory.

    Attributes:
        root: holds a data directory and a log for each process.
        embedder: builtin, a directory, or a model id.
        coordinator_options: further options of `ridgeway coordinator`.
    """

    root: Path
    embedder: str = "builtin"
    coordinator_options: Sequence[str] = ()
    processes: dict[str, Process] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)

    def data_dir(self, name: str) -> Path:
        """The data directory of a process."""
        return self.root / name

    async def start(self, owners: Sequence[str]) -> None:
        """Start the coordinator and a node for each owner, all at once.

        Raises:
            LocalFederationError: one did not start.
        """
        arguments = ["coordinator", "--listen", "127.0.0.1:0", "--embedder", self.embedder, *self.coordinator_options]
        await self._spawn("coordinator", *arguments)
        for owner in owners:
            await self._spawn(owner, "node", "--refresh", "0")
        await asyncio.gather(*(process.ready() for process in self.processes.values()))

    async def _spawn(self, name: str, command: str, *options: str) -> None:
        log = self.root / f"{name}.log"
        arguments = (command, "--data-dir", str(self.data_dir(name)), "--json", *options)
        self.processes[name] = await Process.start(name, log, *arguments)

    async def join(self, owner: str, files: dict[str, Path], on_progress: Callable[[m.Progress], None]) -> Joined:
        """Invite an owner and let its node join with one file for each domain; returns when everyone has the router.

        Raises:
            LocalFederationError: a router did not arrive.
        """
        started = time.monotonic()
        invitation = await administer(self.data_dir("coordinator"), rpc.INVITE, m.InviteRequest(owner, 600))
        sources = tuple(m.PromptSource(domain, str(path.resolve())) for domain, path in files.items())
        embedder = "" if self.embedder == "builtin" else self.embedder
        request = m.JoinRequest(token=invitation.token, sources=sources, embedder=embedder, hold_out=HOLD_OUT)
        await join_federation(self.data_dir(owner), request, on_progress)
        committed_s = time.monotonic() - started
        self.members.append(owner)
        status = await self.router_everywhere()
        rows = sum(d.rows for d in status.domains if d.domain in files)
        everywhere_s = time.monotonic() - started
        digest = status.sum_digest.hex()
        return Joined(owner, tuple(files), rows, digest, status.router_version, committed_s, everywhere_s)

    async def contribute(self, owner: str, files: dict[str, Path]) -> None:
        """Let a member contribute what its files say now; returns when the sum holds it."""
        sources = tuple(m.PromptSource(domain, str(path.resolve())) for domain, path in files.items())
        request = m.JoinRequest(sources=sources, hold_out=HOLD_OUT)
        await join_federation(self.data_dir(owner), request, lambda _: None)

    async def leave(self, owner: str) -> m.FederationStatus:
        """Let an owner leave; the federation's status once everyone else has the next router."""
        await leave_federation(self.data_dir(owner), "", lambda _: None)
        self.members.remove(owner)
        return await self.router_everywhere()

    async def router_everywhere(self) -> m.FederationStatus:
        """Wait until every member has the router of the present sum."""
        deadline = time.monotonic() + ROUTER_WAIT_S
        while time.monotonic() < deadline:
            status = await self.status()
            if status.router_sum_digest == status.sum_digest and await self._all_have(status.router_version):
                return status
            await asyncio.sleep(POLL_S)
        raise LocalFederationError("the newest router did not reach every node in time; look at the nodes' logs")

    async def tried(self, version: int) -> m.RouterTrial:
        """What the hold-outs say of a router version, once no further owner's trial comes.

        Raises:
            LocalFederationError: none came.
        """
        before = m.RouterTrial()
        deadline = time.monotonic() + ROUTER_WAIT_S
        while time.monotonic() < deadline:
            await asyncio.sleep(TRIAL_QUIET_S)
            now = next((t for t in (await self.status()).trials if t.router_version == version), m.RouterTrial())
            if now.prompts and now == before:
                return now
            before = now
        raise LocalFederationError("no node tried the newest router in time; look at the nodes' logs")

    async def _all_have(self, version: int) -> bool:
        return all([await self.router_version(owner) == version for owner in self.members])

    async def router_version(self, owner: str) -> int:
        """The router at an owner's node."""
        status, _ = await node_status(self.data_dir(owner))
        return status.router_version

    def plain_digest(self) -> str:
        """What the members' own files add up to, without any mask."""
        return plain_digest([self.data_dir(owner) for owner in self.members])

    async def status(self) -> m.FederationStatus:
        """The federation as its coordinator sees it."""
        return await administer(self.data_dir("coordinator"), rpc.ADMIN_STATUS, m.GetStatusRequest())

    async def route(self, owner: str, prompts: Sequence[str]) -> list[m.BatchEntry]:
        """Where an owner's node sends prompts, in their order."""
        entries: list[m.BatchEntry] = []
        async with connect(self.data_dir(owner), SOCKET) as channel:
            for start in range(0, len(prompts), PROMPTS_PER_CALL):
                request = m.RouteBatchRequest(tuple(prompts[start : start + PROMPTS_PER_CALL]))
                try:
                    response = await rpc.call(channel, rpc.ROUTE_BATCH, request, timeout_s=60.0)
                except grpc.aio.AioRpcError as error:
                    raise translated(error, f"{owner}'s node") from error
                entries += response.entries
        return entries

    async def stop(self) -> dict[str, int]:
        """End all processes, nodes first; their exit codes."""
        coordinator = self.processes.pop("coordinator", None)
        names, nodes = list(self.processes), list(self.processes.values())
        self.processes.clear()
        codes = dict(zip(names, await asyncio.gather(*(node.stop() for node in nodes)), strict=True))
        if coordinator is not None:
            codes["coordinator"] = await coordinator.stop()
        return codes
