"""Schemathesis over the HTTP sides: what docs/openapi describes is what is answered, whatever is asked."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from gateway_running import Home, gateway, upstream
from web_running import site

from ridgeway.gateway.api_request import Endpoint
from ridgeway.web.limits import Limits
from ridgeway.web.settings import HttpSettings
from ridgeway.web.site import Shown, Site

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "fuzz_http.py"
EXAMPLES = 10


async def fuzzed(service: str, url: str) -> None:
    """Run the script; it must find nothing."""
    pytest.importorskip("schemathesis", reason="pip install 'ridgeway[fuzz]'")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, service, url, "--examples", str(EXAMPLES), stdout=pipe, stderr=pipe
    )
    told, complained = await process.communicate()
    assert process.returncode == 0, told.decode() + complained.decode()
    tried = re.search(r"(\d+) generated", told.decode())
    assert tried and int(tried[1]) > EXAMPLES


async def test_the_status_page_answers_as_it_is_described() -> None:
    async with site() as visited:
        await fuzzed("status-page", visited.url.rstrip("/"))
        assert (await visited.ask("healthz"))[0] == 200


async def test_the_gateway_answers_as_it_is_described(tmp_path: Path) -> None:
    home = Home.make(tmp_path)
    async with upstream("firm") as firm:
        home.publish((firm.expert("law"),))
        async with gateway(home.data_dir) as running:
            before = running.resident_bytes()
            await fuzzed("gateway", running.url)
            assert running.resident_bytes() - before < 64 * 1024 * 1024


def paths(service: str) -> set[str]:
    return set(yaml.safe_load((ROOT / "docs" / "openapi" / f"{service}.yaml").read_text())["paths"])


def test_every_path_is_described() -> None:
    async def nothing() -> dict[str, str]:
        return {}

    async def no_metrics() -> bytes:
        return b""

    page = Site(HttpSettings("127.0.0.1", 0), Shown(nothing, no_metrics, str), Limits())
    served = {resource.canonical for resource in page.app.router.resources()}
    assert served == paths("status-page")
    assert {f"/{endpoint}" for endpoint in Endpoint} | {"/models", "/models/{name}"} == paths("gateway")
