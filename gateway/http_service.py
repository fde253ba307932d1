"""The gateway's paths over aiohttp: bounded bodies in, OpenAI's shapes out."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from ridgeway.gateway.access import Access
from ridgeway.gateway.answer import NoAnswer, error_event
from ridgeway.gateway.api_error import (
    ApiError,
    StreamInterrupted,
    TooLarge,
    TooSlow,
    UnknownPath,
    WrongMediaType,
    WrongMethod,
)
from ridgeway.gateway.api_request import ApiRequest, Endpoint, parsed_bytes
from ridgeway.gateway.byte_budget import ByteBudget, Lease
from ridgeway.gateway.dispatch import Answered, Dispatcher
from ridgeway.gateway.upstream import BegunAnswer

_log = logging.getLogger("ridgeway.gateway")

# A long conversation with a few pictures.
BODY_BYTES_MAX = 8 * 1024 * 1024
# A body of nothing but brackets takes twenty times its size once it is parsed.
PARSED_BYTES_MAX = 64 * 1024 * 1024
# How long a body may take to arrive.
BODY_S = 30.0
# How long a client may take to accept a piece of its answer.
SEND_S = 30.0
PREFLIGHT_S = 600
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ID = web.RequestKey("request_id", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpService:
    """The paths of the gateway."""

    def __init__(self, dispatcher: Dispatcher, access: Access) -> None:
        self._dispatcher = dispatcher
        self._access = access
        self._budget = ByteBudget()
        self._started_unix_s = int(time.time())

    def application(self) -> web.Application:
        """What the server runs."""
        application = web.Application(middlewares=[self._guarded])
        for endpoint in Endpoint:
            application.router.add_post(f"/v1/{endpoint}", self._passing_on(endpoint))
        application.router.add_get("/v1/models", self._models)
        application.router.add_get("/v1/models/{name:.+}", self._model)
        application.router.add_get("/healthz", self._health)
        return application

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who may ask, name the request, and give every refusal OpenAI's shape."""
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request[_ID] = request_id
        try:
            if request.method == "OPTIONS":
                self._access.check_site(request.headers)
                response: web.StreamResponse = web.Response(status=204)
            else:
                if request.path != "/healthz":
                    self._access.check(request.headers)
                response = await handler(request)
        except ApiError as error:
            response = _refusal(error)
        except web.HTTPNotFound:
            response = _refusal(UnknownPath("no such path; the base URL ends in /v1"))
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            response = _refusal(WrongMethod(f"ask this path with {allowed}"))
            response.headers["Allow"] = allowed
        if not response.prepared:
            response.headers["x-request-id"] = request_id
            response.headers.update(self._to_pages(request))
        return response

    def _to_pages(self, request: web.Request) -> dict[str, str]:
        """What a browser must be told so that an allowed page may read the answer."""
        origin = request.headers.get("Origin")
        if origin is None or origin not in self._access.origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "*, Authorization",
            "Access-Control-Expose-Headers": "*",
            "Access-Control-Max-Age": str(PREFLIGHT_S),
            "Vary": "Origin",
        }

    def _passing_on(self, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            with self._budget.lease() as lease:
                began = time.perf_counter()
                asked = ApiRequest.parse(endpoint, await _body(request, lease))
                session = request.headers.get("x-ridgeway-session")
                answered = await self._dispatcher.answer(asked, session, request[_ID], lease)
                try:
                    return await self._send(request, answered)
                finally:
                    _note(endpoint, answered, time.perf_counter() - began)

        return handle

    async def _send(self, request: web.Request, answered: Answered) -> web.StreamResponse:
        answer = answered.answer
        if not isinstance(answer, BegunAnswer):
            return web.Response(
                body=answer.body, status=answer.status, headers=answered.headers, content_type="application/json"
            )
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers | answered.headers | self._to_pages(request))
        try:
            await response.prepare(request)
            await self._relay(answer, answered.request_id, response)
            return response
        finally:
            answer.close()

    async def _relay(self, answer: BegunAnswer, request_id: str, response: web.StreamResponse) -> None:
        """Send the pieces as they come; one that broke off ends with an error, since nobody else may go on with it."""
        try:
            async for piece in answer.pieces(self._dispatcher.patience.stream_s):
                await _write(response, piece)
        except NoAnswer as error:
            _log.warning("%s: the answer broke off: %s", request_id, error)
            interrupted = StreamInterrupted("the expert broke off in the middle of its answer; ask again")
            await _write(response, error_event(interrupted))
        await response.write_eof()

    async def _models(self, _: web.Request) -> web.StreamResponse:
        models = self._dispatcher.follower.chooser.catalogue.models(self._started_unix_s)
        return _json({"object": "list", "data": models})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        catalogue = self._dispatcher.follower.chooser.catalogue
        return _json(catalogue.model(request.match_info["name"], self._started_unix_s))

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return _json({"status": "ok", "router_version": self._dispatcher.follower.chooser.version})


async def _body(request: web.Request, lease: Lease) -> bytes:
    """A request's body, if it is plain JSON within the bounds.

    Raises:
        WrongMediaType, TooLarge, TooSlow: it is not.
        Overloaded: there is no room for it.
    """
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise WrongMediaType("send the body as application/json, without Content-Encoding")
    pieces, size = [], request.content_length or 0
    if size <= BODY_BYTES_MAX:
        size = 0
        try:
            async with asyncio.timeout(BODY_S):
                async for piece in request.content.iter_any():
                    size += len(piece)
                    if size > BODY_BYTES_MAX:
                        break
                    lease.take(len(piece))
                    pieces.append(piece)
        except TimeoutError:
            raise TooSlow(f"the body did not arrive within {BODY_S:.0f} seconds") from None
    if size > BODY_BYTES_MAX:
        raise TooLarge(f"a body may have {BODY_BYTES_MAX} bytes; shorten the conversation or its pictures")
    data = b"".join(pieces)
    parsed = parsed_bytes(data)
    if parsed > PARSED_BYTES_MAX:
        raise TooLarge("the body has too many values; send fewer messages or tokens")
    lease.take(parsed)
    return data


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece to a client that keeps up.

    Raises:
        ConnectionResetError: it does not, or is gone.
    """
    try:
        async with asyncio.timeout(SEND_S):
            await response.write(piece)
    except TimeoutError:
        raise ConnectionResetError("the client does not read its answer") from None


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


def _refusal(error: ApiError) -> web.Response:
    response = _json(error.document(), error.status)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _note(endpoint: Endpoint, answered: Answered, seconds: float) -> None:
    """One line for each answer; of the request only how it was routed."""
    told = answered.headers
    _log.info(
        "%s: %s to %s (%s) in %.0f ms",
        answered.request_id,
        endpoint.value,
        told["x-ridgeway-expert"],
        told["x-ridgeway-reason"],
        seconds * 1000,
    )
