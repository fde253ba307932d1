"""Who may ask: this machine, or whoever holds the token; and never another web site through somebody's browser."""

import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from ridgeway.web.errors import CrossSite, MalformedRequest, NotAdmitted, WrongHost, WrongMediaType
from ridgeway.web.settings import HttpSettings, is_loopback

_log = logging.getLogger("ridgeway.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "ridgeway_session"
LOGIN = "/login"
# A day of work; the token itself stays valid until its file changes and the daemon starts anew.
SESSION_S = 12 * 3600
# What tells nothing but that somebody is here, or is needed to show the token.
_OPEN_PATHS = frozenset({"/healthz", "/readyz", LOGIN, "/assets/style.css", "/assets/icon.svg"})


class Access:
    """Decides about every request before anything else looks at it."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, send a browser to the login, or refuse.

        Raises:
            WrongHost, CrossSite, NotAdmitted: it may not come through.
        """
        self._require_host(request)
        _require_same_site(request)
        if request.path in _OPEN_PATHS or self._is_admitted(request):
            return await handler(request)
        if request.path == "/" and request.method == hdrs.METH_GET:
            raise web.HTTPSeeOther(LOGIN)
        raise NotAdmitted("show the token: Authorization: Bearer TOKEN, or log in at /login")

    def _require_host(self, request: web.Request) -> None:
        """Without a token the host name is what tells our own page from one whose name was rebound to us."""
        if not request.raw_path.startswith("/") or len(request.headers.getall(hdrs.HOST, [])) != 1:
            raise WrongHost("ask for a path, and name one host; this is no proxy")
        if self._settings.token is None and not is_loopback(_host_name(request)):
            raise WrongHost("this page answers to 127.0.0.1 and localhost only; open it by one of these")

    def _is_admitted(self, request: web.Request) -> bool:
        token = self._settings.token
        if token is None:
            return True
        scheme, _, offered = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() == "bearer":
            return token.matches(offered.strip())
        return token.opens(request.cookies.get(COOKIE, ""))

    async def login(self, request: web.Request) -> NoReturn:
        """Give a browser that shows the token a cookie in its place.

        Raises:
            WrongMediaType, MalformedRequest: none is needed, or none was sent.
        """
        token = self._settings.token
        offered = await _form_field(request, "token")
        if token is None or not isinstance(offered, str):
            raise MalformedRequest("there is nothing to log in with; open /")
        if not token.matches(offered.strip()):
            _log.warning("somebody tried to log in with another token")
            raise web.HTTPSeeOther(f"{LOGIN}#wrong")
        home = web.HTTPSeeOther("/")
        home.set_cookie(
            COOKIE, token.session(), max_age=SESSION_S, httponly=True, samesite="Strict", secure=request.secure
        )
        raise home


async def _form_field(request: web.Request, name: str) -> object:
    """A field of a form as the login sends it; of other forms, which may hold files, nothing is parsed."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise WrongMediaType("send the form of /login")
    try:
        return (await request.post()).get(name)
    except (ValueError, LookupError):
        raise MalformedRequest("this is no form; open /login") from None


def _require_same_site(request: web.Request) -> None:
    """Browsers say which site makes a request; what is no browser says nothing and has no cookies to misuse."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and _netloc(origin) != request.headers.get(hdrs.HOST, "").lower():
        raise CrossSite("another web site may not ask here; open this page by itself")
    site, mode = request.headers.get("Sec-Fetch-Site", "none"), request.headers.get("Sec-Fetch-Mode", "")
    is_visit = mode == "navigate" and request.method == hdrs.METH_GET
    if site not in {"none", "same-origin"} and not is_visit:
        raise CrossSite("another web site may not ask here; open this page by itself")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host_name(request: web.Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get(hdrs.HOST, '')}").hostname or ""
    except ValueError:
        return ""
