"""What users and web pages may throw at the gateway: clear refusals, bounded memory, and no prompt in any log."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from gateway_running import (
    SUBJECTS,
    GatewayProcess,
    Home,
    Upstream,
    cut_after,
    gateway,
    gateway_here,
    question,
    raw,
    status,
    upstream,
)

from ridgeway.gateway import http_service
from ridgeway.gateway.daemon import GatewaySettings

LAW = SUBJECTS["law"]
# Said in every request of these tests, and never to be found in a log.
PRIVATE = "my-private-illness"
MiB = 1024 * 1024


@dataclass
class Served:
    """A gateway that logs everything it can, and its expert."""

    firm: Upstream
    gateway: GatewayProcess
    session: aiohttp.ClientSession

    async def post(self, data: Any, path: str = "/chat/completions", **headers: str) -> tuple[int, Any]:
        """Status and document of an answer."""
        told = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.session.post(self.gateway.url + path, data=data, headers=told) as response:
            return response.status, await response.json()

    async def chat(self, **fields: Any) -> tuple[int, Any]:
        """Ask for a chat, perhaps wrongly."""
        body = {"model": "auto", "messages": question(f"{LAW} {PRIVATE}")} | fields
        return await self.post(json.dumps(body))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    home = Home.make(tmp_path)
    async with upstream("firm") as firm, aiohttp.ClientSession() as session:
        home.publish((firm.expert("law"),))
        async with gateway(home.data_dir, "--allow-origin", "https://chat.example.org", debug=True) as running:
            yield Served(firm, running, session)
    assert PRIVATE not in running.log.read_text()


def is_openai_error(document: Any) -> bool:
    """Whether a document has exactly the shape of OpenAI's errors."""
    return set(document) == {"error"} and set(document["error"]) == {"message", "type", "param", "code"}


WRONG_FIELDS: list[tuple[dict[str, object], str]] = [
    ({"model": None}, "model"),
    ({"model": 7}, "model"),
    ({"model": ""}, "model"),
    ({"model": "m" * 300}, "model"),
    ({"stream": "yes"}, "stream"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": {"role": "user"}}, "messages"),
    ({"messages": ["hello"]}, "messages[0]"),
    ({"messages": [{"content": "x"}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
]
NO_JSON = [b"", b"{", b"[]", b"null", b'{"model": NaN}', b"[" * 100_000, f'{{"x": "{PRIVATE}'.encode(), b"\xff"]


async def test_what_is_no_request_is_refused_with_the_field_that_is_wrong(served: Served) -> None:
    for fields, param in WRONG_FIELDS:
        code, document = await served.chat(**fields)
        assert (code, document["error"]["param"]) == (400, param), document
        assert is_openai_error(document)
    others = [("/completions", '{"model": "law", "prompt": {}}'), ("/completions", '{"model": "law"}')]
    for path, body in [*others, ("/embeddings", '{"model": "law", "input": 3}')]:
        code, document = await served.post(body, path)
        assert (code, is_openai_error(document)) == (400, True)
    for data in NO_JSON:
        code, document = await served.post(data)
        assert (code, is_openai_error(document)) == (400, True)
    assert not served.firm.asked


async def test_what_cannot_be_routed_is_said(served: Served) -> None:
    for messages in (question(PRIVATE), question(""), [{"role": "system", "content": LAW}]):
        code, document = await served.chat(messages=messages)
        assert (code, document["error"]["code"]) == (400, "no_known_token")
    code, document = await served.chat(model=f"gpt-{PRIVATE}")
    assert (code, document["error"]["code"]) == (404, "model_not_found")


async def test_other_paths_methods_and_media_types_are_refused_in_openais_shape(served: Served) -> None:
    assert (await served.post("{}", "/nothing"))[0] == 404
    async with served.session.get(served.gateway.url + "/chat/completions") as response:
        assert (response.status, is_openai_error(await response.json())) == (405, True)
    assert (await served.post("{}", Content_Type="text/plain"))[0] == 415
    assert (await served.post("{}", Content_Encoding="gzip"))[0] == 415


async def test_huge_bodies_are_refused_and_leave_no_memory_behind(served: Served) -> None:
    await served.chat()
    before = served.gateway.resident_bytes()
    too_long = b'{"model": "auto", "x": "' + b"x" * (9 * MiB) + b'"}'

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(too_long), 64 * 1024):
            yield too_long[start : start + 64 * 1024]

    code, document = await served.post(io.BytesIO(too_long))
    assert (code, document["error"]["code"]) == (413, "request_too_large")
    with suppress(aiohttp.ClientConnectionError):
        assert (await served.post(in_chunks()))[0] == 413
    brackets = b'{"model": "auto", "x": [' + b"[]," * (2 * MiB) + b"0]}"
    assert (await served.post(io.BytesIO(brackets)))[0] == 413
    large = json.dumps({"model": "auto", "messages": question(LAW), "x": "x" * (7 * MiB)}).encode()
    assert (await served.post(io.BytesIO(large)))[0] == 200
    assert served.gateway.resident_bytes() - before < 80 * MiB


async def test_a_thousand_idle_connections_do_no_harm(served: Served) -> None:
    await served.chat()
    before = served.gateway.resident_bytes()
    writers = []
    for number in range(1000):
        _, writer = await asyncio.open_connection("127.0.0.1", served.gateway.port)
        if number % 2:
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Half: ")
        writers.append(writer)
    assert (await served.chat())[0] == 200
    assert served.gateway.resident_bytes() - before < 100 * MiB
    for writer in writers:
        writer.close()
    for writer in writers:
        await writer.wait_closed()
    assert (await served.chat())[0] == 200


async def test_a_body_that_does_not_arrive_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_service, "BODY_S", 0.2)
    home = Home.make(tmp_path)
    async with gateway_here(GatewaySettings(home.data_dir)) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Content-Length: 100\r\n\r\n{"mod'
        )
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}}")
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer


async def test_malformed_http_is_refused_and_its_content_not_logged(served: Served) -> None:
    for head in (
        f"{PRIVATE} {PRIVATE}\r\n\r\n",
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX: {PRIVATE}\r\n {PRIVATE}\x00\r\n\r\n",
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{PRIVATE}\r\n\r\n",
        f"POST /v1/{'x' * 20_000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.gateway.port)
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert b" 4" in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_headers_cannot_be_smuggled_through(served: Served) -> None:
    client = served.gateway.client()
    answered = await client.chat.completions.with_raw_response.create(
        model="auto",
        messages=question(LAW),
        extra_headers={"x-request-id": "a b\tc", "Cookie": "secret=1"},
    )
    headers, _ = served.firm.asked[0]
    assert headers["X-Request-Id"] == answered.headers["x-request-id"] != "a b\tc"
    assert {"Cookie", "x-ridgeway-session", "Authorization"}.isdisjoint(headers)
    answered = await client.chat.completions.with_raw_response.create(
        model="auto", messages=question(LAW), extra_headers={"x-request-id": "order-66"}
    )
    assert answered.headers["x-request-id"] == served.firm.asked[1][0]["X-Request-Id"] == "order-66"
    served.firm.script.append(status(429, Retry_After="9", Set_Cookie="a=b", X_Ridgeway_Domain="forged"))
    served.firm.script.append(status(400, {"error": {"message": "no"}}, Set_Cookie="a=b", X_Ridgeway_Domain="forged"))
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(model="law", messages=question(LAW))
    assert "set-cookie" not in caught.value.response.headers
    code, _ = await served.post(json.dumps({"model": "auto"}), X_Ridgeway_Session="s" * 300)
    assert code == 400


async def test_pages_of_other_sites_are_refused(served: Served) -> None:
    body = json.dumps({"model": "auto", "messages": question(LAW)})
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        code, document = await served.post(body, **headers)
        assert (code, document["error"]["code"]) == (403, "foreign_site")
    code, _ = await served.post(body, Host="rebound.evil.example")
    assert code == 403
    assert not served.firm.asked
    allowed = {"Origin": "https://chat.example.org"}
    async with served.session.options(served.gateway.url + "/chat/completions", headers=allowed) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, allowed["Origin"])
    assert (await served.post(body, **allowed))[0] == 200


async def test_prompts_and_answers_are_in_no_log_whatever_happens(served: Served) -> None:
    client = served.gateway.client()
    said = question(f"{LAW} {PRIVATE}")
    complaint = {"error": {"message": f"cannot do {PRIVATE}", "type": "x", "param": None, "code": None}}
    served.firm.script.extend([status(500, complaint), status(400, complaint), raw(PRIVATE), cut_after(1)])
    with pytest.raises(openai.BadRequestError, match=PRIVATE):
        await client.chat.completions.create(model="auto", messages=said)
    with pytest.raises(openai.APIError, match="broke off"):
        async for _ in await client.chat.completions.create(model="auto", messages=said, stream=True):
            pass
    await client.completions.create(model="auto", prompt=f"{LAW} {PRIVATE}", user=PRIVATE)
    await client.embeddings.create(model="law", input=PRIVATE, encoding_format="float")
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve(PRIVATE)
    log = served.gateway.log.read_text()
    assert "chat/completions to firm/law" in log
    assert "broke off" in log
