"""Experts that are down, slow, busy, broken or break off, as the official client sees them through the gateway."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web
from gateway_running import (
    PIECES,
    SUBJECTS,
    Behaviour,
    Home,
    RunningGateway,
    Upstream,
    cut_after,
    gateway_here,
    hang_up,
    question,
    raw,
    slow,
    stalled_after,
    status,
    upstream,
)

from ridgeway.gateway.attempts import Patience
from ridgeway.gateway.daemon import GatewaySettings
from ridgeway.router import Expert

LAW, MATH, MEDICINE = SUBJECTS.values()
PATIENCE = Patience(stream_s=1.0, whole_s=1.0, deadline_s=20.0)


@dataclass
class Federation:
    """Two experts for law and medicine, and one for mathematics that is down."""

    firm: Upstream
    clinic: Upstream
    gateway: RunningGateway


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Federation]:
    home = Home.make(tmp_path)
    async with upstream("firm") as firm, upstream("clinic") as clinic:
        down = Expert("school", "math", "http://127.0.0.1:9/v1", "sums-1b")
        home.publish((firm.expert("law"), clinic.expert("medicine"), down))
        async with gateway_here(GatewaySettings(home.data_dir, patience=PATIENCE)) as running:
            yield Federation(firm, clinic, running)


@pytest.mark.parametrize("failure", [hang_up, slow(15), status(500), status(503), status(429), raw("no json")])
async def test_a_passing_failure_is_tried_again_at_the_same_expert(failure: Behaviour, federation: Federation) -> None:
    federation.firm.script.append(failure)
    chat = await federation.gateway.client().chat.completions.create(model="auto", messages=question(LAW))
    assert chat.model == "firm-8b"
    assert [len(federation.firm.asked), len(federation.clinic.asked)] == [2, 0]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failure", [hang_up, slow(15), status(500), status(429)])
async def test_a_lasting_failure_is_passed_over_to_the_next_domain(
    failure: Behaviour, stream: bool, federation: Federation
) -> None:
    federation.firm.script.extend([failure] * 2)
    answered = await federation.gateway.client().chat.completions.with_raw_response.create(
        model="auto", messages=question(LAW + " w24"), stream=stream
    )
    assert answered.headers["x-ridgeway-expert"] == "clinic/medicine"
    assert answered.headers["x-ridgeway-reason"] == "routed, passed on"
    assert float(answered.headers["x-ridgeway-confidence"]) < 0.5
    assert [len(federation.firm.asked), len(federation.clinic.asked)] == [2, 1]


async def test_an_address_that_refuses_connections_is_passed_over(federation: Federation) -> None:
    answered = await federation.gateway.client().chat.completions.with_raw_response.create(
        model="auto", messages=question(MATH)
    )
    assert answered.headers["x-ridgeway-domain"] in {"law", "medicine"}
    with pytest.raises(openai.InternalServerError) as caught:
        await federation.gateway.client().chat.completions.create(model="math", messages=question(MATH))
    assert (caught.value.status_code, caught.value.code) == (503, "experts_unavailable")


async def test_an_expert_that_was_passed_over_comes_last_for_a_while(federation: Federation) -> None:
    client = federation.gateway.client()
    federation.firm.script.extend([status(500)] * 2)
    await client.chat.completions.create(model="auto", messages=question(LAW))
    await client.chat.completions.create(model="auto", messages=question(LAW + " w0"))
    assert [len(federation.firm.asked), len(federation.clinic.asked)] == [2, 2]


async def test_a_conversation_stays_with_whom_it_was_passed_to(federation: Federation) -> None:
    client, said = federation.gateway.client(), question(LAW)
    federation.firm.script.extend([status(500)] * 2)
    first = await client.chat.completions.create(model="auto", messages=said)
    said += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": "w30"}]
    second = await client.chat.completions.create(model="auto", messages=said)
    assert first.model == second.model == "clinic-8b"


@pytest.mark.parametrize("code", [401, 403, 404])
async def test_an_expert_that_refuses_the_gateway_is_not_the_clients_fault(code: int, federation: Federation) -> None:
    federation.firm.script.append(status(code, {"error": {"message": "bad key sk-secret"}}))
    with pytest.raises(openai.InternalServerError) as caught:
        await federation.gateway.client().chat.completions.create(model="law", messages=question(LAW))
    assert (caught.value.status_code, caught.value.code) == (502, "experts_refused")
    assert "sk-secret" not in str(caught.value)
    assert len(federation.firm.asked) == 1


async def test_what_an_expert_has_against_a_request_reaches_the_client(federation: Federation) -> None:
    client = federation.gateway.client()
    error = {"message": "too long", "type": "invalid_request_error", "param": None, "code": "context_length_exceeded"}
    federation.firm.script.extend([status(400, {"error": error}), status(422, {"detail": "no such field"})])
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="auto", messages=question(LAW))
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.UnprocessableEntityError, match="no such field"):
        await client.chat.completions.create(model="auto", messages=question(LAW))
    assert [len(federation.firm.asked), len(federation.clinic.asked)] == [2, 0]


async def test_every_expert_busy_is_a_rate_limit(federation: Federation) -> None:
    federation.firm.script.extend([status(429, Retry_After="0")] * 2)
    with pytest.raises(openai.RateLimitError) as caught:
        await federation.gateway.client().chat.completions.create(model="law", messages=question(LAW))
    assert caught.value.code == "experts_busy"
    assert int(caught.value.response.headers["retry-after"]) > 0


async def test_a_busy_expert_that_wants_a_long_pause_is_passed_over_at_once(federation: Federation) -> None:
    federation.firm.script.append(status(429, Retry_After="60"))
    began = time.monotonic()
    chat = await federation.gateway.client().chat.completions.create(model="auto", messages=question(LAW))
    assert chat.model == "clinic-8b"
    assert time.monotonic() - began < 20


async def test_the_deadline_ends_it(tmp_path: Path) -> None:
    home = Home.make(tmp_path)
    async with upstream("firm") as firm, upstream("clinic") as clinic:
        firm.script.extend([slow(30)] * 9)
        clinic.script.extend([slow(30)] * 9)
        home.publish((firm.expert("law"), clinic.expert("medicine")))
        async with gateway_here(GatewaySettings(home.data_dir, patience=Patience(deadline_s=1.0))) as running:
            began = time.monotonic()
            with pytest.raises(openai.InternalServerError) as caught:
                await running.client().chat.completions.create(model="auto", messages=question(LAW))
            took = time.monotonic() - began
    assert (caught.value.status_code, caught.value.code) == (504, "deadline_passed")
    assert 0.8 < took < 20
    assert firm.asked
    assert clinic.asked


@pytest.mark.parametrize("failure", [cut_after(2), stalled_after(2)])
async def test_a_stream_that_breaks_off_ends_with_an_error_and_goes_to_nobody_else(
    failure: Behaviour, federation: Federation
) -> None:
    federation.firm.script.append(failure)
    heard: list[str | None] = []
    pieces = await federation.gateway.client().chat.completions.create(
        model="auto", messages=question(LAW), stream=True
    )
    with pytest.raises(openai.APIError) as caught:
        async for piece in pieces:
            heard += [piece.choices[0].delta.content]
    assert heard == list(PIECES[:2])
    assert caught.value.code == "stream_interrupted"
    assert caught.value.type == "server_error"
    assert [len(federation.firm.asked), len(federation.clinic.asked)] == [1, 0]


async def test_a_stream_that_breaks_before_its_first_piece_is_tried_again(federation: Federation) -> None:
    federation.firm.script.append(cut_after(0))
    pieces = await federation.gateway.client().chat.completions.create(
        model="auto", messages=question(LAW), stream=True
    )
    assert [piece.choices[0].delta.content async for piece in pieces] == [*PIECES, None]
    assert len(federation.firm.asked) == 2


async def test_a_stream_that_ends_without_saying_so_is_an_error_too(federation: Federation) -> None:
    federation.firm.script.append(raw('data: {"choices": [{"delta": {"content": "a"}}]}\n\n', "text/event-stream"))
    pieces = await federation.gateway.client().chat.completions.create(
        model="auto", messages=question(LAW), stream=True
    )
    with pytest.raises(openai.APIError, match="broke off"):
        async for _ in pieces:
            pass


async def test_a_client_that_goes_away_ends_the_experts_work(federation: Federation) -> None:
    gone = asyncio.Event()

    async def watched(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        try:
            return await stalled_after(1)(request, body)
        finally:
            gone.set()

    federation.firm.script.append(watched)
    pieces = await federation.gateway.client().chat.completions.create(model="law", messages=question(LAW), stream=True)
    await pieces.close()
    async with asyncio.timeout(0.8):
        await gone.wait()
