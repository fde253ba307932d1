"""A federation without a coordinator on this machine, each peer in a process of its own."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from ridgeway.cli.local_federation import HOLD_OUT, LocalFederationError, Process
from ridgeway.cli.plain_sum import plain_digest
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedders import load_embedder
from ridgeway.manifest import Coordination, Masking
from ridgeway.node.handover import node_status
from ridgeway.peers.founding import found
from ridgeway.peers.handover import administer_peers, join_peers, leave_peers
from ridgeway.proto import messages as m
from ridgeway.proto import rpc

AGREE_WAIT_S = 60.0
# Between looks at all nodes, which have better things to do on a small machine.
LOOK_S = 0.2


def free_ports() -> int:
    """A port that is free together with the one above it, at this moment."""
    while True:
        with socket.socket() as low, socket.socket() as high, suppress(OSError, OverflowError):
            low.bind(("127.0.0.1", 0))
            port: int = low.getsockname()[1]
            high.bind(("127.0.0.1", port + 1))
            return port


@dataclass(slots=True)
class LocalPeers:
    """Peers under one directory.

    Attributes:
        root: holds a data directory and a log for each.
        embedder: builtin, a directory, or a model id.
        wishes: what the founder asks of the manifest.
    """

    root: Path
    embedder: str = "builtin"
    wishes: Wishes = field(default_factory=lambda: Wishes(masking=Masking.OFF))
    processes: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)

    @property
    def founder(self) -> str:
        """Who founded it."""
        return self.members[0]

    def data_dir(self, owner: str) -> Path:
        """The data directory of an owner's node."""
        return self.root / owner

    def found(self, owner: str) -> None:
        """Found the federation. Blocks."""
        fingerprint = load_embedder(self.embedder).fingerprint
        manifest = self.wishes.manifest(token_hex(16), fingerprint, Coordination.PEERS)
        found(self.data_dir(owner), owner, manifest, self.embedder, datetime.now(UTC))
        self.members.append(owner)

    async def start(self, owners: Sequence[str]) -> None:
        """Start a node for each owner, all at once; one that ran before gets its port again.

        Raises:
            LocalFederationError: one did not start.
        """
        for owner in owners:
            listen = f"127.0.0.1:{self.ports.setdefault(owner, free_ports())}"
            arguments = ("node", "--peers", "--data-dir", str(self.data_dir(owner)), "--listen", listen)
            log = self.root / f"{owner}.log"
            self.processes[owner] = await Process.start(owner, log, *arguments, "--refresh", "0", "--json")
        await asyncio.gather(*(self.processes[owner].ready() for owner in owners))

    async def join(self, owner: str, files: dict[str, Path], inviter: str = "") -> None:
        """Let an owner's node join by an invitation, or the founder's contribute; returns when it is committed."""
        token = ""  # nosec B105
        if owner != self.founder:
            asked = m.InviteRequest(owner, 600)
            token = (await administer_peers(self.data_dir(inviter or self.founder), rpc.INVITE, asked)).token
        await self.contribute(owner, files, token)
        if owner not in self.members:
            self.members.append(owner)

    async def contribute(self, owner: str, files: dict[str, Path], token: str = "") -> None:
        """Let an owner's node contribute what its files say now."""
        sources = tuple(m.PromptSource(domain, str(path.resolve())) for domain, path in files.items())
        embedder = "" if self.embedder == "builtin" else self.embedder
        request = m.JoinRequest(token=token, sources=sources, embedder=embedder, hold_out=HOLD_OUT)
        await join_peers(self.data_dir(owner), request, lambda _: None)

    async def leave(self, owner: str) -> None:
        """Let an owner leave."""
        await leave_peers(self.data_dir(owner), "", lambda _: None)
        self.members.remove(owner)

    async def kill(self, owner: str) -> None:
        """End a node's process with SIGKILL."""
        process = self.processes.pop(owner)
        process.child.kill()
        await process.child.wait()

    async def status(self, owner: str) -> m.NodeStatus:
        """A node as it sees itself."""
        return (await node_status(self.data_dir(owner)))[0]

    async def agreed(
        self,
        digest: str,
        owners: Sequence[str] = (),
        watch: Callable[[dict[str, m.NodeStatus]], None] | None = None,
        wait_s: float = AGREE_WAIT_S,
    ) -> dict[str, m.NodeStatus]:
        """Wait until these nodes, or all members, hold the sum of this digest and one router of it.

        Raises:
            LocalFederationError: they do not in time.
        """
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            asked = owners or self.members
            found = dict(zip(asked, await asyncio.gather(*map(self.status, asked)), strict=True))
            if watch is not None:
                watch(found)
            gossips = [status.gossip for status in found.values()]
            sums = {gossip.sum_digest.hex() if gossip else "" for gossip in gossips}
            routers = {status.router_version for status in found.values()}
            if sums == {digest} and len(routers) == 1 and len({g.weights_digest for g in gossips if g}) == 1:
                return found
            await asyncio.sleep(LOOK_S)
        raise LocalFederationError("the peers did not come to one sum in time; look at their logs")

    def plain_digest(self) -> str:
        """What the members' own files add up to, without any gossip."""
        return plain_digest([self.data_dir(owner) for owner in self.members])

    async def stop(self) -> dict[str, int]:
        """End all processes; their exit codes."""
        names, nodes = list(self.processes), list(self.processes.values())
        self.processes.clear()
        return dict(zip(names, await asyncio.gather(*(node.stop() for node in nodes)), strict=True))
