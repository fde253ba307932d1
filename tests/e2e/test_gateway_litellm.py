"""LiteLLM's own proxy with the plugin and the documented configuration, asked by the official client."""

import asyncio
import os
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import openai
import pytest
from gateway_running import PIECES, SUBJECTS, VAGUE, Home, Upstream, question, status, upstream

pytestmark = pytest.mark.skipif(
    find_spec("litellm") is None, reason="LiteLLM is not installed; pip install 'ridgeway[litellm]'"
)

CONFIG = Path(__file__).parents[2] / "docs" / "litellm-config.yaml"
LAW, MATH, MEDICINE = SUBJECTS.values()
START_S = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until_alive(url: str, process: asyncio.subprocess.Process) -> None:
    """Wait until the proxy answers."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(START_S):
        while process.returncode is None:
            try:
                async with session.get(f"{url}/health/liveliness") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.2)


@asynccontextmanager
async def litellm_proxy(home: Home, folder: Path, **variables: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """Run LiteLLM's proxy while the block runs."""
    port, log, key = free_port(), folder / "litellm.log", f"sk-{secrets.token_hex(32)}"
    command = shutil.which("litellm", path=str(Path(sys.executable).parent))
    assert command is not None
    given = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key, "RIDGEWAY_DATA_DIR": str(home.data_dir)}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            command, "--config", str(CONFIG), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False",
            stdout=output, stderr=output, env=os.environ | given | variables, cwd=folder,
        )  # fmt: skip
    try:
        await until_alive(f"http://127.0.0.1:{port}", process)
        assert process.returncode is None, log.read_text()[-3000:]
        client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=30)
        async with client:
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@dataclass
class Proxied:
    """A proxy and its experts."""

    client: openai.AsyncOpenAI
    firm: Upstream
    clinic: Upstream


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[Proxied]:
    home = Home.make(tmp_path)
    async with upstream("law-firm") as firm, upstream("clinic") as clinic:
        home.publish((firm.expert("law"), firm.expert("math", owner="unlisted"), clinic.expert("medicine")))
        urls = {"LAW_FIRM_URL": firm.url, "CLINIC_URL": clinic.url, "LAW_FIRM_KEY": "sk-law", "CLINIC_KEY": "sk-med"}
        async with litellm_proxy(home, tmp_path, **urls) as client:
            yield Proxied(client, firm, clinic)


@pytest.mark.timeout(180)
async def test_litellm_sends_auto_where_the_router_says(proxied: Proxied) -> None:
    answered = await proxied.client.chat.completions.with_raw_response.create(model="auto", messages=question(MEDICINE))
    assert answered.parse().choices[0].message.content == "".join(PIECES)
    assert answered.headers["x-ridgeway-expert"] == "clinic/medicine"
    assert answered.headers["x-ridgeway-domain"] == "medicine"
    assert 0.9 < float(answered.headers["x-ridgeway-confidence"]) <= 1.0
    headers, body = proxied.clinic.asked[0]
    assert (headers["Authorization"], body["model"]) == ("Bearer sk-med", "med-70b")
    assert not proxied.firm.asked

    pieces = await proxied.client.chat.completions.create(model="auto", messages=question(LAW), stream=True)
    assert "".join([piece.choices[0].delta.content or "" async for piece in pieces]) == "".join(PIECES)
    assert len(proxied.firm.asked) == 1

    said = [*question(LAW), {"role": "assistant", "content": "yes"}, {"role": "user", "content": VAGUE}]
    answered = await proxied.client.chat.completions.with_raw_response.create(model="auto", messages=said)
    assert (answered.headers["x-ridgeway-domain"], answered.headers["x-ridgeway-reason"]) == ("law", "kept")

    answered = await proxied.client.chat.completions.with_raw_response.create(
        model="law-firm/law", messages=question(MEDICINE)
    )
    assert "x-ridgeway-domain" not in answered.headers

    answered = await proxied.client.chat.completions.with_raw_response.create(model="auto", messages=question(MATH))
    assert answered.headers["x-ridgeway-expert"] in {"law-firm/law", "clinic/medicine"}
    with pytest.raises(openai.BadRequestError, match="no token that the embedder knows"):
        await proxied.client.chat.completions.create(model="auto", messages=question("nonsense"))

    proxied.clinic.script.extend([status(500)] * 2)
    chat = await proxied.client.chat.completions.create(model="auto", messages=question(MEDICINE + " w28"))
    assert chat.choices[0].message.content == "".join(PIECES)
    assert len(proxied.firm.asked) >= 4
