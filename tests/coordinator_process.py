"""A coordinator in a process of its own that can be killed: real gRPC, real TLS, and an embedder that nobody has."""

import asyncio
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ridgeway.coordinator.administration import SOCKET
from ridgeway.coordinator.daemon import CoordinatorSettings, Endpoints, serve
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedder import EmbedderFingerprint
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.local_socket import connect
from ridgeway.runtime.shutdown import stop_event

START_S = 20.0
CALL_S = 10.0


def toy_fingerprint(dimension: int) -> EmbedderFingerprint:
    """The fingerprint of an embedder that nobody has; a coordinator needs no more. `dimension` is D."""
    return EmbedderFingerprint("toy", "a" * 64, "b" * 64, 1000, dimension - 1)


@dataclass
class CoordinatorProcess:
    """One data directory and the process that serves it now, always on the same ports.

    Attributes:
        data_dir: the coordinator's.
        dimension: D of the federation.
        port: for members; 0 until the first start chose one.
    """

    data_dir: Path
    dimension: int
    port: int = 0
    log: Path | None = None
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it serves."""
        command = [sys.executable, __file__, str(self.data_dir), str(self.dimension), str(self.port)]
        log = self.log.open("ab") if self.log else subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await self._process.stdout.readline()
        self.port = int(json.loads(line)["members"].rpartition(":")[2])

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """End it in order; its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()

    async def administer(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        """One call by the operator."""
        async with connect(self.data_dir, SOCKET) as channel:
            return await rpc.call(channel, method, request, timeout_s=CALL_S)

    async def invite(self, owner: str) -> str:
        """An invitation that lives an hour."""
        return (await self.administer(rpc.INVITE, m.InviteRequest(owner, 3600))).token

    async def status(self) -> m.FederationStatus:
        """The federation as the coordinator sees it."""
        return await self.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())


async def _serve(data_dir: Path, dimension: int, port: int) -> None:
    def ready(endpoints: Endpoints) -> None:
        print(json.dumps({"members": endpoints.members}), flush=True)

    settings = CoordinatorSettings(
        data_dir, lambda: toy_fingerprint(dimension), Wishes(features=FeatureMap.TOKENS, masking=Masking.OFF), port=port
    )
    await serve(settings, stop_event(), ready)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
