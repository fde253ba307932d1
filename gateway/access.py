"""Who may ask: holders of the API key, and never a web page on behalf of somebody who happens to run a gateway.

A browser that shows a page sends along where it came from: `Origin` or `Sec-Fetch-Site`. Such requests are refused
unless the page's origin is allowed. Without a key, on loopback, the name in `Host` must be this machine's own, because
a page can point a name of its own at 127.0.0.1.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from ridgeway.errors import RidgewayError
from ridgeway.gateway.api_error import ForeignSite, WrongKey

# Shorter ones can be guessed.
TOKEN_CHARACTERS_MIN = 16


class WeakToken(RidgewayError):
    """An API key that can be guessed, or that no header can carry."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked of every request.

    Attributes:
        token_digest: SHA-256 of the API key; None: whoever reaches the address may ask.
        origins: of the pages that may ask, like https://chat.example.org.
    """

    token_digest: bytes | None = field(default=None, repr=False)
    origins: frozenset[str] = frozenset()

    @classmethod
    def by(cls, token: str | None, origins: frozenset[str] = frozenset()) -> "Access":
        """Access by an API key, or without one.

        Raises:
            WeakToken: the key is short or has other characters than a header can carry.
        """
        if token is None:
            return cls(None, origins)
        if len(token) < TOKEN_CHARACTERS_MIN or not token.isascii() or not token.isprintable() or " " in token:
            raise WeakToken(
                f"the token must be one line of {TOKEN_CHARACTERS_MIN} or more characters of ASCII without spaces;"
                " `openssl rand -hex 32` makes one"
            )
        return cls(_digest(token), origins)

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request pass.

        Raises:
            ForeignSite: a page that is not allowed asks.
            WrongKey: the key is missing or another.
        """
        self.check_site(headers)
        if self.token_digest is None:
            if not is_own_name(headers.get("Host", "")):
                raise ForeignSite("without an API key the gateway is reached as localhost or by its loopback address")
            return
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(_digest(token.strip()), self.token_digest):
            raise WrongKey("the API key is missing or wrong; send the gateway's token as the API key")

    def check_site(self, headers: Mapping[str, str]) -> None:
        """Refuse pages that are not allowed.

        Raises:
            ForeignSite: such a page asks.
        """
        origin = headers.get("Origin")
        if origin is None and headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise ForeignSite("a page of another site may not ask; its origin would have to be allowed")
        if origin is not None and origin not in self.origins:
            raise ForeignSite("this page may not ask; the gateway allows pages with --allow-origin")


def is_own_name(host: str) -> bool:
    """Whether a Host header names this machine by loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
