"""Where a daemon serves HTTP, and to whom: to this machine, or over TLS to those who hold a token."""

import hashlib
import hmac
import ipaddress
import os
import stat
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ridgeway.errors import RidgewayError

# 32 characters of hexadecimal are 128 bits, which nobody guesses.
TOKEN_CHARACTERS_MIN = 32
TOKEN_BYTES_MAX = 4096
_SESSION_LABEL = b"ridgeway/v1/http-session"
_EXTRA = ("aiohttp", "prometheus_client")


class BadHttpSettings(RidgewayError):
    """HTTP asked for in a way that would not be safe, or not work."""


class HttpExtraMissing(RidgewayError):
    """HTTP asked for, and the packages for it are not there."""


class AccessToken:
    """A secret that lets its holder in; never shown, compared in constant time."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def matches(self, offered: str) -> bool:
        """Whether somebody offers this token."""
        return hmac.compare_digest(self._secret, offered.encode(errors="replace"))

    def session(self) -> str:
        """What a browser keeps in its cookie in place of the token."""
        return hmac.digest(self._secret, _SESSION_LABEL, hashlib.sha256).hex()

    def opens(self, session: str) -> bool:
        """Whether a cookie is of this token."""
        return hmac.compare_digest(self.session().encode(), session.encode(errors="replace"))


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How one daemon serves HTTP.

    Attributes:
        host: where to listen.
        port: 0 chooses one.
        token: what callers must show; None lets everyone on this machine in.
        certificate: PEM file with the server's certificate and its chain; None: no TLS.
        key: PEM file with its key.
    """

    host: str
    port: int
    token: AccessToken | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what would let strangers in or secrets out.

        Raises:
            BadHttpSettings: it would.
        """
        if (self.certificate is None) != (self.key is None):
            raise BadHttpSettings("TLS needs both --http-certificate and --http-key; give the other one too")
        if self.is_local:
            return
        if self.token is None:
            raise BadHttpSettings(
                f"others could read the page at {self.host}; name a file with a token by --http-token-file,"
                " or serve it on 127.0.0.1"
            )
        if self.certificate is None:
            raise BadHttpSettings(
                f"the token would travel readable to {self.host}; give --http-certificate and --http-key,"
                " or serve on 127.0.0.1 behind a proxy that has them"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def read_settings(address: str, token_file: Path | None, certificate: Path | None, key: Path | None) -> HttpSettings:
    """Settings from what the command line says.

    Raises:
        BadHttpSettings: the address or the token cannot be used, or not safely.
        HttpExtraMissing: the packages for it are not installed.
    """
    if any(find_spec(name) is None for name in _EXTRA):
        raise HttpExtraMissing("--http needs two more packages; pip install 'ridgeway[http]', or leave --http out")
    host, separator, port = address.rpartition(":")
    if not separator or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise BadHttpSettings(f"{address!r} is no HOST:PORT; --http 127.0.0.1:8443, say")
    token = None if token_file is None else read_token(token_file)
    return HttpSettings(host.strip("[]"), int(port), token, certificate, key)


def read_token(path: Path) -> AccessToken:
    """The token in a file that only its owner can read.

    Raises:
        BadHttpSettings: there is none, it is too short or too long, or others can read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(TOKEN_BYTES_MAX + 1)
    except OSError as error:
        raise BadHttpSettings(f"{path} cannot be read: {error.strerror}; check --http-token-file") from error
    if len(content) > TOKEN_BYTES_MAX:
        raise BadHttpSettings(f"{path} has more than {TOKEN_BYTES_MAX} bytes; write one with: openssl rand -hex 32")
    try:
        secret = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise BadHttpSettings(f"{path} holds no plain text; write one with: openssl rand -hex 32") from None
    if stat.S_IMODE(mode) & 0o077:
        raise BadHttpSettings(f"others may read {path}; run chmod 600 on it and choose a new token")
    if len(secret) < TOKEN_CHARACTERS_MIN or not secret.isprintable() or " " in secret:
        raise BadHttpSettings(
            f"the token in {path} is not {TOKEN_CHARACTERS_MIN} or more characters on one line; write one with:"
            " openssl rand -hex 32"
        )
    return AccessToken(secret)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
