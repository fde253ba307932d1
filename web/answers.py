"""How answers look: headers that keep a page to itself, refusals as JSON, one request for each connection."""

import logging
import traceback
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import hdrs, web

from ridgeway.web.access import Handler
from ridgeway.web.connections import GuardedConnection
from ridgeway.web.errors import HttpRefusal, NotAdmitted

_log = logging.getLogger("ridgeway.web")

# Nothing but our own files, no inline script or style, no frame around us, no text made into markup.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: under that, browsers hide the origin of a form too, and the login could not tell its own.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


async def finish_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Give every answer its headers, and end its connection after it."""
    response.headers.update(_HEADERS)
    response.headers.popall(hdrs.SERVER, None)
    response.force_close()


def guard_of(request: web.Request) -> GuardedConnection | None:
    """The guard of the request's connection; None if that has gone."""
    transport = request.transport
    protocol = transport.get_protocol() if transport is not None else None
    return protocol if isinstance(protocol, GuardedConnection) else None


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware: a refusal becomes its status and sentence, anything else 500 without its text."""
    guard = guard_of(request)
    if guard is not None:
        guard.request_came()
    try:
        return await handler(request)
    except HttpRefusal as refusal:
        return refused(refusal.status, type(refusal).__name__, str(refusal))
    except web.HTTPException as answer:
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise
        allowed = {str(hdrs.ALLOW): answer.headers[hdrs.ALLOW]} if hdrs.ALLOW in answer.headers else {}
        return refused(answer.status, type(answer).__name__, _SENTENCES.get(answer.status, answer.reason), allowed)
    except Exception as error:  # noqa: BLE001 - the border to the network: no text of an unknown error may cross
        # Where, but not what: the text of an unknown error may quote the prompt it fell over.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("%s at %s:%s while answering", type(error).__name__, frame.filename, frame.lineno)
        return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Failed", "the server failed; its log says where")


_SENTENCES = {
    HTTPStatus.NOT_FOUND.value: "there is nothing here; the page is at /",
    HTTPStatus.METHOD_NOT_ALLOWED.value: "this path takes another method",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value: "the body is too large; send a shorter prompt",
}


def refused(status: int, kind: str, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    """A refusal."""
    asked = {hdrs.WWW_AUTHENTICATE: "Bearer"} if kind == NotAdmitted.__name__ else {}
    return json_answer({"error": kind, "message": sentence}, status, (headers or {}) | asked)


def json_answer(document: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> web.Response:
    """A document."""
    body = orjson.dumps(document)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
