"""What the gateway adds to the time of an answer at 100 requests a second, against asking the expert directly.

Three processes on this machine: this one asks, the gateway routes real prompts with the built-in embedder, an expert
answers at once. Open loop: requests leave by the clock, whether the ones before were answered or not, and their time
counts from when they should have left. Rounds to the expert and rounds through the gateway take turns; what is added is
the difference of their medians, and of their 99th percentiles, and of those the median over the rounds, so that a
neighbour's burst in one of them does not decide.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count, product
from pathlib import Path

import aiohttp
from aiohttp import web

from ridgeway.cli.evaluation_run import train_router
from ridgeway.embedders import load_embedder
from ridgeway.manifest import POOLED_SOLVER, FeatureMap, Manifest
from ridgeway.node.prompts import PromptSource, read_prompts
from ridgeway.router import Expert

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bench_report import at_most, report
from gateway_running import Home, answer, gateway

RATE = 100
MEDIAN_MS = 3.0
P99_MS = 15.0

# Milliseconds, for each round.
Times = list[list[float]]


def serve_expert() -> None:
    """Answer in OpenAI's protocol until killed; prints the port."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(request, await request.json())

    async def run() -> None:
        application = web.Application()
        application.router.add_post("/v1/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


@asynccontextmanager
async def expert() -> AsyncIterator[str]:
    """The base URL of an expert in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve-expert", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/v1"
    finally:
        process.kill()
        await process.wait()


class Load:
    """Asks one prompt after the other."""

    def __init__(self, session: aiohttp.ClientSession, prompts: list[str]) -> None:
        self._session = session
        self._prompts = prompts
        self._next = count()

    async def round(self, url: str, requests: int, *, stream: bool) -> list[float]:
        """Milliseconds until each answer of one round has come, or of a streamed one the first piece."""
        started = time.perf_counter() + 0.05
        return await asyncio.gather(*(self._one(url, started + place / RATE, stream) for place in range(requests)))

    async def _one(self, url: str, due: float, stream: bool) -> float:
        prompt = self._prompts[next(self._next) % len(self._prompts)]
        body = {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": prompt}]}
        await asyncio.sleep(due - time.perf_counter())
        async with self._session.post(f"{url}/chat/completions", json=body) as response:
            await response.content.readany()
            milliseconds = (time.perf_counter() - due) * 1000
            await response.read()
            response.raise_for_status()
        return milliseconds


def make_home(folder: Path, train: Path, url: str) -> Home:
    """A node whose router knows the domains of a directory, all served by one expert."""
    embedder = load_embedder("builtin")
    manifest = Manifest("bench", embedder.fingerprint, FeatureMap.POOLED, solver=POOLED_SOLVER)
    sources = {path.stem: PromptSource(str(path)) for path in sorted(train.glob("*.jsonl"))}
    router = train_router(sources, embedder, manifest)
    home = Home.of(folder / "node", router, manifest, "builtin")
    home.publish(tuple(Expert("bench", domain, url, "m") for domain in sources))
    return home


async def measure(train: Path, prompts: list[str], rounds: int, seconds: int) -> dict[str, tuple[Times, Times]]:
    """Milliseconds of the answers, directly and through the gateway, whole and streamed."""
    times: dict[str, tuple[Times, Times]] = {"whole": ([], []), "streamed": ([], [])}
    with tempfile.TemporaryDirectory() as folder:
        async with expert() as url, aiohttp.ClientSession() as session:
            home = make_home(Path(folder), train, url)
            async with gateway(home.data_dir) as running:
                load = Load(session, prompts)
                for number, (kind, both) in product(range(rounds + 1), times.items()):
                    for asked, found in zip((url, running.url), both, strict=True):
                        taken = await load.round(asked, seconds * RATE, stream=kind == "streamed")
                        found.extend([taken] if number else [])
    return times


def median(values: list[float]) -> float:
    """The middle."""
    return statistics.median(values)


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    samples = Path(__file__).parents[1] / "samples"
    parser.add_argument("--train", type=Path, default=samples / "train", help="a directory with DOMAIN.jsonl")
    parser.add_argument("--test", type=Path, default=samples / "test", help="a directory of prompts to ask")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="of each round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve-expert", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_expert:
        serve_expert()
        return
    prompts = list(read_prompts(PromptSource(str(arguments.test))))
    times = asyncio.run(measure(arguments.train, prompts, arguments.rounds, arguments.seconds))
    rows = []
    for kind, (direct, through) in times.items():
        for name, of, limit_ms in (("median", median, MEDIAN_MS), ("99th percentile", p99, P99_MS)):
            alone = statistics.median(map(of, direct))
            added = statistics.median(of(ours) - of(peer) for ours, peer in zip(through, direct, strict=True))
            rows.append(at_most(f"{kind}: added by the gateway to {alone:.1f} ms, {name}, ms", added, limit_ms, 1.0))
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
