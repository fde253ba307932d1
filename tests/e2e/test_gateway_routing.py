"""The gateway with the official client: who answers, and how the answer says so."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
from gateway_running import (
    PIECES,
    SUBJECTS,
    VAGUE,
    GatewayProcess,
    Home,
    Upstream,
    gateway,
    question,
    slow,
    upstream,
)

LAW, MATH, MEDICINE = SUBJECTS.values()


@dataclass
class Federation:
    """Three owners' experts, one of them with a generalist too."""

    home: Home
    firm: Upstream
    school: Upstream
    clinic: Upstream

    def publish(self, version: int = 1) -> None:
        """A router that names them."""
        self.home.publish(
            (
                self.firm.expert("law"),
                self.school.expert("math", model=""),
                self.clinic.expert("medicine"),
                self.clinic.expert("general", model="all-70b"),
            ),
            version,
        )


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Federation]:
    async with upstream("firm") as firm, upstream("school") as school, upstream("clinic") as clinic:
        made = Federation(Home.make(tmp_path), firm, school, clinic)
        made.publish()
        yield made


@pytest.fixture
async def running(federation: Federation) -> AsyncIterator[GatewayProcess]:
    async with gateway(federation.home.data_dir) as running_gateway:
        yield running_gateway


async def test_auto_goes_where_the_router_says_and_the_answer_says_who(
    federation: Federation, running: GatewayProcess
) -> None:
    raw = await running.client().chat.completions.with_raw_response.create(
        model="auto", messages=question(MEDICINE), temperature=0.5, seed=7
    )
    chat = raw.parse()
    assert chat.model == "clinic-8b"
    assert chat.choices[0].message.content == "".join(PIECES)
    assert raw.headers["x-ridgeway-domain"] == "medicine"
    assert raw.headers["x-ridgeway-expert"] == "clinic/medicine"
    assert raw.headers["x-ridgeway-router-version"] == "1"
    assert raw.headers["x-ridgeway-reason"] == "routed"
    assert 0.9 < float(raw.headers["x-ridgeway-confidence"]) <= 1.0
    assert raw.headers["x-request-id"]
    (headers, body), *others = federation.clinic.asked
    assert body == {"model": "clinic-8b", "messages": question(MEDICINE), "temperature": 0.5, "seed": 7}
    assert "Authorization" not in headers
    assert headers["X-Request-Id"] == raw.headers["x-request-id"]
    assert not others
    assert not federation.firm.asked


async def test_a_stream_comes_in_pieces_that_name_the_model(federation: Federation, running: GatewayProcess) -> None:
    raw = await running.client().chat.completions.with_raw_response.create(
        model="auto", messages=question(LAW), stream=True
    )
    pieces = [piece async for piece in raw.parse()]
    assert [piece.choices[0].delta.content for piece in pieces] == [*PIECES, None]
    assert {piece.model for piece in pieces} == {"firm-8b"}
    assert raw.headers["x-ridgeway-domain"] == "law"
    assert raw.headers["content-type"].startswith("text/event-stream")


async def test_a_model_without_a_name_of_its_own_is_told_by_owner_and_domain(
    federation: Federation, running: GatewayProcess
) -> None:
    chat = await running.client().chat.completions.create(model="auto", messages=question(MATH))
    assert chat.model == "school/math"
    assert "model" not in federation.school.asked[0][1]


@pytest.mark.parametrize("name", ["clinic-8b", "medicine", "clinic/medicine"])
async def test_a_named_model_is_asked_whatever_the_prompt(
    name: str, federation: Federation, running: GatewayProcess
) -> None:
    raw = await running.client().chat.completions.with_raw_response.create(model=name, messages=question(LAW))
    assert raw.parse().model == "clinic-8b"
    assert raw.headers["x-ridgeway-reason"] == "named"
    assert "x-ridgeway-confidence" not in raw.headers
    assert len(federation.clinic.asked) == 1


async def test_completions_are_routed_and_embeddings_are_passed_on(
    federation: Federation, running: GatewayProcess
) -> None:
    client = running.client()
    completion = await client.completions.create(model="auto", prompt=[LAW, LAW])
    assert (completion.model, completion.choices[0].text) == ("firm-8b", "".join(PIECES))
    embedded = await client.embeddings.create(model="medicine", input="w9", encoding_format="float")
    assert (embedded.model, embedded.data[0].embedding) == ("clinic-8b", [0.25, -0.5])
    with pytest.raises(openai.BadRequestError, match="name a model"):
        await client.embeddings.create(model="auto", input="w9")


async def test_models_are_listed_and_told(running: GatewayProcess) -> None:
    client = running.client()
    listed = [model.id async for model in client.models.list()]
    assert listed == ["auto", "clinic/general", "clinic/medicine", "firm/law", "school/math"]
    assert (await client.models.retrieve("firm/law")).owned_by == "firm"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("firm/chess")
    assert caught.value.code == "model_not_found"


async def test_content_parts_are_routed_by_their_text(federation: Federation, running: GatewayProcess) -> None:
    parts = [
        {"type": "text", "text": "w24 w25"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "text", "text": "w26"},
    ]
    system = {"role": "system", "content": LAW}
    chat = await running.client().chat.completions.create(
        model="auto",
        messages=[system, {"role": "user", "content": parts}],  # type: ignore[list-item, misc]
    )
    assert chat.model == "clinic-8b"
    assert federation.clinic.asked[0][1]["messages"][1]["content"] == parts


async def test_a_conversation_stays_with_its_expert_until_the_subject_is_clearly_another(
    running: GatewayProcess,
) -> None:
    client, said = running.client(), question(MEDICINE)
    reasons = []
    for turn in (None, VAGUE, "unknown words only", LAW, VAGUE):
        if turn is not None:
            said += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": turn}]
        raw = await client.chat.completions.with_raw_response.create(model="auto", messages=said)
        reasons.append((raw.headers["x-ridgeway-domain"], raw.headers["x-ridgeway-reason"]))
    assert reasons == [
        ("medicine", "routed"), ("medicine", "kept"), ("medicine", "kept"), ("law", "switched"), ("law", "kept"),
    ]  # fmt: skip


async def test_a_session_header_holds_a_conversation_together(running: GatewayProcess) -> None:
    client = running.client()
    domains = []
    for session, text in (("a", MATH), ("a", VAGUE), ("b", LAW), ("b", VAGUE), ("a", VAGUE)):
        raw = await client.chat.completions.with_raw_response.create(
            model="auto", messages=question(text), extra_headers={"x-ridgeway-session": session}
        )
        domains.append(raw.headers["x-ridgeway-domain"])
    assert domains == ["math", "math", "law", "law", "math"]


async def test_a_conversation_survives_a_restart_of_the_gateway(federation: Federation) -> None:
    said = [*question(MEDICINE), {"role": "assistant", "content": "yes"}, {"role": "user", "content": VAGUE}]
    async with gateway(federation.home.data_dir) as fresh:
        raw = await fresh.client().chat.completions.with_raw_response.create(model="auto", messages=said)
    assert (raw.headers["x-ridgeway-domain"], raw.headers["x-ridgeway-reason"]) == ("medicine", "kept")


async def test_a_new_router_is_followed_and_a_damaged_one_is_not(
    federation: Federation, running: GatewayProcess
) -> None:
    client = running.client()

    async def version() -> str:
        raw = await client.chat.completions.with_raw_response.create(model="auto", messages=question(LAW))
        return str(raw.headers["x-ridgeway-router-version"])

    assert await version() == "1"
    federation.publish(version=2)
    async with asyncio.timeout(10):
        while await version() != "2":  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.05)
    (federation.home.data_dir / "router.bin").write_bytes(b"rubbish")
    async with asyncio.timeout(10):
        while "is of no use" not in running.log.read_text():  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.05)
    assert await version() == "2"


async def test_before_the_first_router_it_says_so_and_then_serves(tmp_path: Path) -> None:
    home = Home.make(tmp_path)
    async with upstream("firm") as firm, gateway(home.data_dir) as running:
        client = running.client()
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="auto", messages=question(LAW))
        assert (caught.value.status_code, caught.value.code) == (503, "no_router")
        home.publish((firm.expert("law"),))
        async with asyncio.timeout(10):
            while "router 1 is here" not in running.log.read_text():  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.05)
        assert (await client.chat.completions.create(model="auto", messages=question(LAW))).model == "firm-8b"


async def test_an_unsure_prompt_goes_to_the_fallback_or_is_refused(federation: Federation) -> None:
    options = ("--min-confidence", "0.9")
    async with gateway(federation.home.data_dir, *options, "--fallback", "general") as running:
        raw = await running.client().chat.completions.with_raw_response.create(model="auto", messages=question(VAGUE))
        assert raw.parse().model == "all-70b"
        assert (raw.headers["x-ridgeway-domain"], raw.headers["x-ridgeway-reason"]) == ("general", "unsure")
        assert float(raw.headers["x-ridgeway-confidence"]) < 0.9
    async with gateway(federation.home.data_dir, *options) as running:
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            await running.client().chat.completions.create(model="auto", messages=question(VAGUE))
        assert caught.value.code == "not_sure_enough"


async def test_the_objective_chooses_among_nearly_tied_domains(federation: Federation) -> None:
    federation.home.publish(
        (federation.firm.expert("law", price=5.0), federation.clinic.expert("law", owner="bargain", price=1.0))
    )
    async with gateway(federation.home.data_dir, "--objective", "cost") as running:
        raw = await running.client().chat.completions.with_raw_response.create(model="auto", messages=question(LAW))
        assert raw.headers["x-ridgeway-expert"] == "bargain/law"


async def test_a_running_answer_ends_before_the_gateway_does(federation: Federation) -> None:
    federation.firm.script.append(slow(1.0))
    async with gateway(federation.home.data_dir) as running:
        answering = asyncio.create_task(running.client().chat.completions.create(model="law", messages=question(LAW)))
        while not federation.firm.asked:  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.01)
        os.kill(running.process_id, signal.SIGTERM)
        assert (await answering).choices[0].message.content == "".join(PIECES)
        with pytest.raises(openai.APIConnectionError):
            await running.client().models.list()
