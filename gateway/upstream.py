"""Asking one expert once, over aiohttp: its answer, whole or begun, or how it failed."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from ridgeway.gateway.answer import AnswerStream, NoAnswer, with_model
from ridgeway.gateway.api_request import ApiRequest
from ridgeway.gateway.attempts import Failure
from ridgeway.gateway.byte_budget import Lease
from ridgeway.gateway.catalogue import answered_name
from ridgeway.gateway.expert_keys import ExpertKeys
from ridgeway.router import Expert

# An address that does not accept a connection in this time is down.
CONNECT_S = 3.0
# Embeddings of a few thousand texts as decimal numbers.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
# What a person reads of an error that is not in OpenAI's shape.
ERROR_CHARACTERS = 500
# At each expert; more wait for one to become free, within their time.
CONNECTIONS_PER_EXPERT = 256
# Shorter than servers keep a connection, so that we rarely write to one that is being closed.
IDLE_S = 15.0
_REFUSING = {401, 403, 404, 405}


class AttemptFailed(Exception):
    """An attempt without an answer; nothing of it has reached the client."""

    def __init__(self, failure: Failure, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.failure = failure
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer as one document; one above 399 is the expert's word about the request."""

    status: int
    body: bytes


class BegunAnswer:
    """An answer that comes in pieces, after the first has arrived."""

    def __init__(self, response: aiohttp.ClientResponse, stream: AnswerStream, first: bytes) -> None:
        self._response = response
        self._stream = stream
        self._first = first

    async def pieces(self, stall_s: float) -> AsyncIterator[bytes]:
        """The pieces as they come, to the end.

        Raises:
            NoAnswer: the expert broke off, or paused for longer than `stall_s`.
        """
        yield self._first
        try:
            while True:
                async with asyncio.timeout(stall_s):
                    data = await self._response.content.readany()
                if not data:
                    break
                if piece := self._stream.feed(data):
                    yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NoAnswer("the stream broke off") from error
        yield self._stream.close()

    def close(self) -> None:
        """Hang up; one that has come to its end gives the connection back before."""
        self._response.close()


Answer = WholeAnswer | BegunAnswer


def client_session() -> aiohttp.ClientSession:
    """What all experts are asked through. Nothing of an answer is kept: no cookies, no redirects, no proxies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_EXPERT, keepalive_timeout=IDLE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        skip_auto_headers=("User-Agent",),
    )


class Upstream:
    """Asks experts with their keys."""

    def __init__(self, session: aiohttp.ClientSession, keys: ExpertKeys) -> None:
        self._session = session
        self._keys = keys

    async def ask(self, request: ApiRequest, expert: Expert, request_id: str, lease: Lease, limit_s: float) -> Answer:
        """Ask once, and wait for the whole answer or its first piece.

        Raises:
            AttemptFailed: there is none in time.
            Overloaded: the answer cannot be held.
        """
        url = f"{expert.url.rstrip('/')}/{request.endpoint}"
        try:
            async with asyncio.timeout(limit_s):
                headers, body = self._headers(expert, request_id), io.BytesIO(_body(request, expert))
                response = await self._session.post(url, data=body, headers=headers, allow_redirects=False)
                try:
                    return await _received(response, request, expert, lease)
                except BaseException:
                    response.close()
                    raise
        except TimeoutError as error:
            raise AttemptFailed(Failure.SLOW, f"no answer in {limit_s:.1f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AttemptFailed(Failure.UNREACHABLE, type(error).__name__) from error

    def _headers(self, expert: Expert, request_id: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "X-Request-Id": request_id}
        key = self._keys.of(expert)
        return headers | {"Authorization": f"Bearer {key}"} if key else headers


def _body(request: ApiRequest, expert: Expert) -> bytes:
    """The request as the expert gets it: naming its own model, or none if its owner stated none."""
    body = {name: value for name, value in request.body.items() if name != "model"}
    return orjson.dumps(body | {"model": expert.model} if expert.model else body)


async def _received(
    response: aiohttp.ClientResponse, request: ApiRequest, expert: Expert, lease: Lease
) -> WholeAnswer | BegunAnswer:
    status = response.status
    if status == 429 or status >= 500 or status == 408:
        failure = {429: Failure.BUSY, 408: Failure.SLOW}.get(status, Failure.BROKEN)
        raise AttemptFailed(failure, f"status {status}", _retry_after_s(response))
    if status in _REFUSING or 300 <= status < 400:
        raise AttemptFailed(Failure.REFUSED, f"status {status}")
    if status >= 400:
        return WholeAnswer(status, _complaint(await _read(response, lease), status))
    name = answered_name(expert)
    if response.content_type == "text/event-stream":
        return await _begun(response, AnswerStream(name, _choices(request)))
    try:
        return WholeAnswer(status, with_model(await _read(response, lease), name))
    except NoAnswer as error:
        raise AttemptFailed(Failure.BROKEN, str(error)) from error


async def _begun(response: aiohttp.ClientResponse, stream: AnswerStream) -> BegunAnswer:
    try:
        while data := await response.content.readany():
            if first := stream.feed(data):
                return BegunAnswer(response, stream, first)
    except NoAnswer as error:
        raise AttemptFailed(Failure.BROKEN, str(error)) from error
    raise AttemptFailed(Failure.BROKEN, "an empty stream")


async def _read(response: aiohttp.ClientResponse, lease: Lease) -> bytes:
    pieces, size = [], 0
    while piece := await response.content.readany():
        size += len(piece)
        if size > ANSWER_BYTES_MAX:
            raise AttemptFailed(Failure.BROKEN, f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        lease.take(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


def _complaint(body: bytes, status: int) -> bytes:
    """What the expert has against the request, in OpenAI's shape even if the expert does not speak it."""
    document: Any = None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode(errors="replace")[:ERROR_CHARACTERS]
    else:
        if isinstance(document, dict) and isinstance(document.get("error"), dict):
            return body
        text = orjson.dumps(document).decode()[:ERROR_CHARACTERS]
    message = f"the expert answers with status {status}: {text}"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return orjson.dumps({"error": error})


def _choices(request: ApiRequest) -> int:
    choices = request.body.get("n")
    return choices if isinstance(choices, int) and choices > 0 else 1


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return None
