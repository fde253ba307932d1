"""The page and the metrics of real daemons, on loopback with real gRPC and real TLS."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import toy
from node_running import NodeHome, daemon, words, write_prompts
from prometheus_client.parser import text_string_to_metric_families
from running import Running, running

from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.web.settings import HttpSettings

LOOPBACK = HttpSettings("127.0.0.1", 0)
MARK = "w33"
NO_ROUTER = "no router has arrived yet; run `ridgeway node`, which gets it once the federation has one"
EXPERT = m.Expert("", "law", "https://llm.example/v1", "law-8b", price=2.5)


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    fingerprint = toy.toy_embedder().fingerprint
    async with running(tmp_path / "coordinator", embedder=fingerprint, http=LOOPBACK) as started:
        yield started


@pytest.fixture
def node(tmp_path: Path) -> NodeHome:
    return NodeHome(tmp_path / "node", toy.write_toy_embedder(tmp_path / "embedder"))


@pytest.fixture
def law(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "law.jsonl", words(7))


async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.text()


async def document(url: str) -> Any:
    return json.loads(await fetch(f"{url}api/status"))


async def document_with(url: str, condition: Callable[[Any], object]) -> Any:
    async with asyncio.timeout(15):
        while not condition(found := await document(url)):  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.05)
    return found


def is_settled(found: Any) -> bool:
    """Whether a node's page shows the router of the present sum, over a connection."""
    federation, node = found["federation"], found["node"]
    return bool(
        federation
        and node["connected"]
        and federation["router_is_current"]
        and len(federation["domains"]) == 2
        and node["router_version"] == federation["router_version"]
    )


async def samples(url: str) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(await fetch(f"{url}metrics"))
    return {":".join([s.name, *s.labels.values()]): s.value for family in families for s in family.samples}


async def attempt(url: str, prompt: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}api/try", json={"prompt": prompt}) as response,
    ):
        return response.status, await response.json()


async def test_the_coordinators_page_follows_who_joins_and_leaves(
    coordinator: Running, node: NodeHome, law: Path
) -> None:
    url = coordinator.endpoints.http
    empty = await document(url)
    assert (empty["role"], empty["federation"]["members"], empty["can_try"]) == ("coordinator", [], False)
    token = await coordinator.invite("alpha")
    assert (await document(url))["federation"]["members"][0]["state"] == "invited"
    await node.join(token, {"law": law}, (EXPERT,), hold_out=0.2)
    joined = await document_with(url, lambda found: found["routers"])
    assert joined["federation"]["members"][0]["state"] == "active"
    assert joined["federation"]["domains"][0]["experts"][0]["price"] == 2.5
    newest = joined["routers"][-1]
    assert newest["version"] == joined["federation"]["router_version"]
    assert newest["sum_digest"] == joined["federation"]["sum_digest"]
    await node.leave()
    left = await document(url)
    assert (left["federation"]["members"][0]["state"], left["federation"]["domains"]) == ("left", [])
    assert (await attempt(url, "w1"))[0] == 404


async def test_the_coordinators_metrics_count_what_happened(coordinator: Running, node: NodeHome, law: Path) -> None:
    url = coordinator.endpoints.http
    before = await samples(url)
    assert before["ridgeway_router_version"] == 0
    await node.join(await coordinator.invite("alpha"), {"law": law}, (EXPERT,))
    beta = await coordinator.owner("beta")
    with pytest.raises(Exception, match="nothing to 'no-such'"):
        await beta.call(rpc.WITHDRAW, beta.withdrawal("no-such"))
    await document_with(url, lambda found: found["routers"])
    after = await samples(url)
    federation = "ridgeway.v1.Federation"
    assert after[f"ridgeway_rpcs_total:OK:Contribute:{federation}"] == 1
    assert after[f"ridgeway_rpcs_total:NOT_FOUND:Withdraw:{federation}"] == 1
    assert after[f"ridgeway_rpc_seconds_count:Withdraw:{federation}"] == 1
    assert f"ridgeway_rpc_seconds_count:Contribute:{federation}" not in after
    assert after["ridgeway_refusals_total:Withdraw:UnknownDomain"] == 1
    assert after["ridgeway_contributions_committed_total"] == 1
    assert after["ridgeway_contribution_bytes_total"] == 5 * 7 * 8 / 2
    assert after["ridgeway_domain_rows:law"] == after_rows(await document(url))
    assert after["ridgeway_domain_experts:law"] == 1
    assert after["ridgeway_members:active"] == 2
    assert after["ridgeway_solve_seconds_count"] >= 1
    assert after["ridgeway_router_is_current"] == 1
    assert all(value == 0 for name, value in after.items() if name.startswith("ridgeway_rpcs_running"))
    await node.leave()
    assert "ridgeway_domain_rows:law" not in await samples(url)


def after_rows(found: Any) -> int:
    rows: int = found["federation"]["domains"][0]["rows"]
    return rows


async def test_a_nodes_page_shows_both_sides_and_explains_a_prompt(
    coordinator: Running, node: NodeHome, law: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    math = write_prompts(tmp_path / "math.jsonl", words(20))
    async with daemon(node, http=LOOPBACK) as at:
        lonely = await document(at.http)
        assert (lonely["role"], lonely["federation"], lonely["node"]["owner"]) == ("node", None, "")
        assert "no member" in lonely["missing"]
        assert (await attempt(at.http, MARK)) == (422, {"error": "CannotTry", "message": NO_ROUTER})
        await node.join(await coordinator.invite("alpha"), {"law": law, "math": math}, (EXPERT,), hold_out=0.2)
        await node.until(lambda status: status.router_version > 0)
        both = await document_with(at.http, is_settled)
        assert (both["node"]["owner"], both["missing"]) == ("alpha", None)
        status, answer = await attempt(at.http, f"{MARK} w2")
        assert status == 200
        assert answer["domain"] in {"law", "math"}
        assert [segment["text"] for segment in answer["explanation"]["segments"]] == [MARK, "w2"]
        assert (await attempt(at.http, "unheard of"))[0] == 422
        found = await samples(at.http)
        assert (found["ridgeway_node_joined"], found["ridgeway_node_connected"]) == (1, 1)
        assert found["ridgeway_router_version"] == both["node"]["router_version"]
        assert found["ridgeway_node_domain_committed:law"] == 1
    assert MARK not in caplog.text
    assert all(MARK.encode() not in path.read_bytes() for path in node.data_dir.iterdir() if path.is_file())


async def test_decisions_are_counted_by_domain_and_confidence(coordinator: Running, node: NodeHome, law: Path) -> None:
    async with daemon(node, http=LOOPBACK) as at:
        await node.join(await coordinator.invite("alpha"), {"law": law})
        await node.until(lambda status: status.router_version > 0)
        decided = [await node.route(prompt) for prompt in ("w1", "w2 w3", "w4")]
        with pytest.raises(Exception, match="no token"):
            await node.route("unheard of")
        found = await samples(at.http)
        assert found["ridgeway_route_decisions_total:law:false"] == 3
        assert found["ridgeway_route_confidence_count"] == 3
        assert found["ridgeway_route_confidence_sum"] == pytest.approx(sum(d.confidence for d in decided))
        assert found["ridgeway_route_unroutable_total"] == 1
        assert found["ridgeway_refusals_total:Route:NoKnownToken"] == 1


async def test_a_nodes_page_outlives_its_coordinator(tmp_path: Path, node: NodeHome, law: Path) -> None:
    fingerprint = toy.toy_embedder().fingerprint
    async with running(tmp_path / "coordinator", embedder=fingerprint) as coordinator:
        await node.join(await coordinator.invite("alpha"), {"law": law})
        starting = daemon(node, http=LOOPBACK)
        at = await starting.__aenter__()
        known = await document_with(at.http, lambda found: found["federation"] and found["node"]["router_version"])
    try:
        alone = await document_with(at.http, lambda found: found["missing"])
        assert alone["federation"] == known["federation"]
        assert alone["federation_as_of"]
        assert (await attempt(at.http, "w1"))[0] == 200
        assert "\nridgeway_node_connected 0.0" in await fetch(f"{at.http}metrics")
    finally:
        await starting.__aexit__(None, None, None)


async def test_a_daemon_without_http_serves_none(tmp_path: Path, node: NodeHome) -> None:
    async with running(tmp_path / "coordinator") as coordinator, daemon(node) as at:
        assert (coordinator.endpoints.http, at.http) == ("", "")
