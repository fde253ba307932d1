"""A gateway in a process of its own, over a node's data directory with a toy router, and experts to route to."""

import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import toy
from aiohttp import web
from openai import AsyncOpenAI

from ridgeway.calibration import Calibration
from ridgeway.cli.evaluation_run import train_router
from ridgeway.feature_map import Router, ready_router
from ridgeway.gateway.daemon import GatewaySettings, serve
from ridgeway.manifest import POOLED_SOLVER, FeatureMap, Manifest, PooledSettings
from ridgeway.node.prompts import PromptSource
from ridgeway.node.router_store import ROUTER_FILE
from ridgeway.node.state import STATE_FILE, Membership, NodeState
from ridgeway.proto.router_artifact import encode_router
from ridgeway.router import Expert
from ridgeway.runtime.data_dir import DataDirectory

# What each domain talks about, in words of the toy embedder.
SUBJECTS = {"law": "w0 w1 w2 w3", "math": "w14 w15 w16 w17", "medicine": "w24 w25 w26 w27"}
# Says a little of everything, so that no domain is likely.
VAGUE = "w0 w14 w24"
PIECES = ("The ", "answer ", "is ", "yes.")
START_S = 30.0
STOP_S = 15.0


def toy_router(folder: Path) -> tuple[Router, Manifest]:
    """A router that tells the subjects apart, and is sure of it."""
    embedder = toy.toy_embedder()
    manifest = Manifest(
        "gateway", embedder.fingerprint, FeatureMap.POOLED, PooledSettings(columns=64), solver=POOLED_SOLVER
    )
    sources = {}
    for domain, subject in SUBJECTS.items():
        words = subject.split()
        pairs = [f"{first} {second}" for first in words for second in words]
        (folder / f"{domain}.txt").write_text("\n".join([*pairs, subject]))
        sources[domain] = PromptSource(str(folder / f"{domain}.txt"))
    trained = train_router(sources, embedder, manifest)
    weights = replace(trained.router, calibration=Calibration(12.0, 100, 0.01), manifest_digest=manifest.digest())
    return ready_router(weights, embedder, manifest), manifest


@dataclass
class Home:
    """A node's data directory, as its daemon would leave it."""

    data_dir: Path
    router: Router

    @classmethod
    def make(cls, folder: Path) -> "Home":
        """A node with the toy embedder that has joined and has no router yet."""
        folder.mkdir(parents=True, exist_ok=True)
        router, manifest = toy_router(folder)
        return cls.of(folder / "node", router, manifest, str(toy.write_toy_embedder(folder / "embedder")))

    @classmethod
    def of(cls, data_dir: Path, router: Router, manifest: Manifest, embedder: str) -> "Home":
        """A node that has joined, and will have this router."""
        directory = DataDirectory(data_dir, "node", create=True)
        state = NodeState(directory.path / STATE_FILE)
        state.enrolled(Membership("clinic", "f", "nowhere:1", manifest.to_json().decode(), embedder), 1)
        state.close()
        return cls(directory.path, router)

    def publish(self, experts: tuple[Expert, ...], version: int = 1) -> None:
        """Write a router, as the daemon does when one arrives."""
        weights = replace(self.router.router, experts=experts, version=version)
        DataDirectory(self.data_dir, "node").write(ROUTER_FILE, encode_router(weights, 0))


Behaviour = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Upstream:
    """An expert's server: speaks OpenAI's protocol, and fails as it is told, one request after the other."""

    name: str
    url: str = ""
    asked: list[tuple[Mapping[str, str], dict[str, Any]]] = field(default_factory=list)
    script: deque[Behaviour] = field(default_factory=deque)

    def expert(self, domain: str, model: str | None = None, owner: str | None = None, **known: float) -> Expert:
        """This server as an expert."""
        return Expert(owner or self.name, domain, self.url, f"{self.name}-8b" if model is None else model, **known)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as the script says, or well."""
        body = await request.json()
        self.asked.append((request.headers, body))
        behave = self.script.popleft() if self.script else answer
        return await behave(request, body)


async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """A good answer."""
    if request.path.endswith("/embeddings"):
        vectors = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return web.json_response({"object": "list", "data": vectors, "model": "inner", "usage": usage})
    if body.get("stream"):
        return await stream(request, body)
    chat = request.path.endswith("/chat/completions")
    said = {"message": {"role": "assistant", "content": "".join(PIECES)}} if chat else {"text": "".join(PIECES)}
    return web.json_response(
        {
            "id": "x",
            "object": "chat.completion" if chat else "text_completion",
            "created": 1,
            "model": body.get("model", "inner"),
            "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None} | said],
        }
    )


def event(content: str | None, reason: str | None = None) -> bytes:
    """One piece of a streamed chat."""
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": reason}
    piece = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "inner", "choices": [choice]}
    return b"data: " + json.dumps(piece).encode() + b"\n\n"


async def stream(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """A good answer in pieces."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in PIECES:
        await response.write(event(piece))
        await asyncio.sleep(0.01)
    await response.write(event(None, "stop") + b"data: [DONE]\n\n")
    return response


def cut_after(pieces: int) -> Behaviour:
    """A stream whose connection breaks in the middle of an event."""

    async def behave(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in PIECES[:pieces]:
            await response.write(event(piece))
        await response.write(event("never whole")[:40])
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    return behave


def stalled_after(pieces: int) -> Behaviour:
    """A stream that goes silent."""

    async def behave(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in PIECES[:pieces]:
            await response.write(event(piece))
        await asyncio.sleep(30)
        return response

    return behave


def status(code: int, body: object = None, **headers: str) -> Behaviour:
    """A refusal."""

    async def behave(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body, status=code, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return behave


def slow(seconds: float) -> Behaviour:
    """A good answer, late."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await answer(request, body)

    return behave


async def hang_up(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    """No answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def raw(text: str, content_type: str = "application/json") -> Behaviour:
    """Whatever bytes."""

    async def behave(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=text, content_type=content_type)

    return behave


@asynccontextmanager
async def upstream(name: str) -> AsyncIterator[Upstream]:
    """Run an expert's server while the block runs."""
    served = Upstream(name)
    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_post("/v1/{path:.*}", served.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield served
    finally:
        await runner.cleanup()


@dataclass
class RunningGateway:
    """A gateway, and what the official client needs to ask it."""

    url: str
    _clients: list[AsyncOpenAI] = field(default_factory=list)

    def client(self, key: str = "none") -> AsyncOpenAI:
        """The official client, which does not retry by itself."""
        self._clients.append(AsyncOpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=20.0))
        return self._clients[-1]

    async def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            await client.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2].partition("/")[0])


@dataclass
class GatewayProcess(RunningGateway):
    """A gateway in a process of its own."""

    log: Path = Path()
    process_id: int = 0

    def resident_bytes(self) -> int:
        """The memory that the process has now."""
        pages = int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def gateway_here(settings: GatewaySettings) -> AsyncIterator[RunningGateway]:
    """Run a gateway in this process while the block runs; it starts at once."""
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, stop, ready.set_result))
    waiting: set[asyncio.Future[Any]] = {task, ready}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    running = RunningGateway(ready.result())
    try:
        yield running
    finally:
        await running.close()
        stop.set()
        await task


@asynccontextmanager
async def gateway(
    data_dir: Path, *options: str, variables: Mapping[str, str] | None = None, debug: bool = False
) -> AsyncIterator[GatewayProcess]:
    """Run `ridgeway gateway` while the block runs; it must end with code 0 on SIGTERM."""
    log = data_dir.parent / f"gateway-{time.monotonic_ns()}.log"
    arguments = ["gateway", "--data-dir", str(data_dir), "--json", *options]
    if "--listen" not in options:
        arguments += ["--listen", "127.0.0.1:0"]
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ridgeway.cli.main", *(["--debug"] if debug else []), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=errors, env=os.environ | dict(variables or {}),
        )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        assert line, log.read_text()
        running = GatewayProcess(json.loads(line)["url"], log=log, process_id=process.pid)
        try:
            yield running
        finally:
            await running.close()
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(STOP_S):
            assert await process.wait() == 0, log.read_text()[-2000:]


def question(text: str) -> list[Any]:
    """A conversation that begins."""
    return [{"role": "user", "content": text}]
