"""Upload of one contribution (D = 2049, 16.8 MB as int64) over mutual TLS, against a bare gRPC stream of as many bytes.

Ours carries the same numbers in fewer bytes, five each instead of eight, and ends when the contribution is checked and
in the ledger, from which moment it counts. So a second row, without a goal, compares it with a bare stream of the
narrow bytes. Both are in MB of int64 a second. The last row is the processor time of both ends together, which says
more than seconds where other processes run. Client and server are separate processes throughout, with the same chunk
size, TLS and channel options; the streams are interleaved, each after the same pause, and medians count.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key, signing_request
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.narrow_integers import pack, smallest_width
from ridgeway.runtime.channel_options import server_options
from ridgeway.runtime.tls import MemberTls, member_channel, mutual_server_credentials

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import grpc
import light_client
from bench_report import at_least, for_information, report
from coordinator_process import CoordinatorProcess, toy_fingerprint

DIMENSION = 2049
GOAL = 0.7
PAUSE_S = 1.0
_PATH = "/bench.Bare/Send"


@dataclass(slots=True)
class Cost:
    """What sending took, again and again: seconds, and seconds of processor time at both ends together."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    async def measure(self, sending: Awaitable[object], server: int) -> None:
        """Send once, to a server process."""
        await asyncio.sleep(PAUSE_S)
        begin, used = time.perf_counter(), _processor_s(server)
        await sending
        self.seconds.append(time.perf_counter() - begin)
        self.processor.append(_processor_s(server) - used)

    def median(self) -> tuple[float, float]:
        """Of both, without the first, which warms up."""
        return statistics.median(self.seconds[1:]), statistics.median(self.processor[1:])


def _processor_s(pid: int) -> float:
    """What this process and another have used; the clock's number is that of clock_getcpuclockid(3) on Linux."""
    return time.process_time() + time.clock_gettime(~pid << 3 | 2)


async def serve_bare(tls: MemberTls) -> None:
    """A server that receives a stream of bytes and answers how many came; prints its port, runs until killed."""

    async def receive(requests: AsyncIterator[bytes], _: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in requests:
            total += len(chunk)
        yield str(total).encode()

    server = grpc.aio.server(options=server_options())
    method = grpc.stream_stream_rpc_method_handler(receive)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bare", {"Send": method}),))
    port = server.add_secure_port("127.0.0.1:0", mutual_server_credentials(lambda: tls))
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


@asynccontextmanager
async def bare_server(folder: Path) -> AsyncIterator[tuple[grpc.aio.Channel, int]]:
    """A channel to a bare server in a process of its own, and which."""
    now = datetime.now(UTC)
    authority, key = CertificateAuthority.create("bench", now), new_tls_key()
    request = signing_request(key, "bench")
    coordinator = authority.issue_coordinator(request, now, timedelta(days=1))
    tls = MemberTls(authority.certificate_pem, coordinator, key)
    for name in ("authority_pem", "certificate_pem", "key_pem"):
        (folder / name).write_bytes(getattr(tls, name))
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--bare-server", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    member = MemberTls(authority.certificate_pem, authority.issue_member(request, "bench", now), key)
    try:
        async with member_channel(f"127.0.0.1:{port}", member) as channel:
            yield channel, process.pid
    finally:
        process.kill()
        await process.wait()


async def send_bare(channel: grpc.aio.Channel, payload: bytes) -> None:
    """From the first byte to the answer after the last."""
    call = channel.stream_stream(_PATH)()
    for start in range(0, len(payload), CHUNK_BYTES):
        await call.write(payload[start : start + CHUNK_BYTES])
    await call.done_writing()
    assert int(await call.read()) == len(payload)


async def measure(repetitions: int) -> tuple[Cost, Cost, Cost]:
    """Ours, the bare stream of eight bytes a number, and that of the narrow bytes."""
    ours, bare_wide, bare_narrow = Cost(), Cost(), Cost()
    with tempfile.TemporaryDirectory() as folder:
        coordinator = CoordinatorProcess(Path(folder) / "coordinator", DIMENSION)
        await coordinator.start()
        try:
            owner = light_client.Owner("owner")
            await owner.enrol(await coordinator.invite("owner"), toy_fingerprint(DIMENSION))
            assert owner.manifest is not None
            vector = light_client.random_contribution(0, owner.manifest)
            wide, width = vector.tobytes(), smallest_width(vector)
            narrow = bytes(pack(vector, width))
            async with bare_server(Path(folder)) as (plain, bare_pid), owner.channel() as channel:
                for repetition in range(repetitions + 1):
                    record = owner.sign(f"domain-{repetition}", vector, 20, width)
                    await ours.measure(owner.upload(channel, record, narrow), coordinator.pid)
                    await _solver_idle(coordinator)
                    await bare_wide.measure(send_bare(plain, wide), bare_pid)
                    await bare_narrow.measure(send_bare(plain, narrow), bare_pid)
        finally:
            await coordinator.stop()
    return ours, bare_wide, bare_narrow


async def _solver_idle(coordinator: CoordinatorProcess) -> None:
    """Wait until the solver is idle again, so that it is not measured along."""
    published = 0
    while (now := (await coordinator.status()).router_version) == 0 or now != published:
        published = now
        await asyncio.sleep(1.0)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--bare-server", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare_server:
        names = ("authority_pem", "certificate_pem", "key_pem")
        asyncio.run(serve_bare(MemberTls(*((arguments.bare_server / name).read_bytes() for name in names))))
        return
    costs = asyncio.run(measure(arguments.repetitions))
    (ours, ours_cpu), (bare_wide, wide_cpu), (bare_narrow, _) = (cost.median() for cost in costs)
    megabytes = 8 * DIMENSION * (DIMENSION + 1) / 2 / 1e6
    name = f"upload of one contribution of {megabytes:.1f} MB until it is committed, MB/s"
    rows = [
        at_least(name, megabytes / ours, megabytes / bare_wide, GOAL),
        for_information(
            "the same, against a bare stream of the narrow bytes", megabytes / ours, megabytes / bare_narrow
        ),
        for_information("processor time of both ends, bare stream / ours, ms", 1e3 * wide_cpu, 1e3 * ours_cpu),
    ]
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
