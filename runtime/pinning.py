"""Find the authority that an invitation pinned, before anything secret is sent.

The enrolment listener presents its certificate and the authority's. This handshake trusts nobody and sends nothing; it
only looks whether the pinned authority is among them and signed the first. gRPC then verifies against it for good.
"""

import hashlib
import select
import socket
import time
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL

from ridgeway.errors import RidgewayError
from ridgeway.runtime.remote_errors import Unreachable

TIMEOUT_S = 10.0


class AuthorityMismatch(RidgewayError):
    """The server at the address is not of the federation that sent the invitation."""


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT or [HOST]:PORT.

    Raises:
        Unreachable: it is neither.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise Unreachable(f"{address!r} is no HOST:PORT; ask for a new invitation")
    return host.strip("[]"), int(port)


def fetch_pinned_authority(address: str, ca_sha256: bytes, timeout_s: float = TIMEOUT_S) -> bytes:
    """The authority's certificate (PEM) as the server presents it, if it is the one that was pinned. Blocks.

    Raises:
        Unreachable: nobody speaks TLS there in time.
        AuthorityMismatch: the pinned authority is not there, or did not sign the server's certificate.
    """
    chain = _presented_chain(address, timeout_s)
    for candidate in chain:
        der = candidate.public_bytes(serialization.Encoding.DER)
        if hashlib.sha256(der).digest() == ca_sha256:
            _require_issued(chain, candidate)
            return candidate.public_bytes(serialization.Encoding.PEM)
    raise AuthorityMismatch(
        f"the server at {address} does not show the authority that the invitation names; somebody may stand between you"
        " and the coordinator. Nothing secret was sent; ask for a new invitation"
    )


def _require_issued(chain: list[x509.Certificate], authority: x509.Certificate) -> None:
    """Each certificate before the authority's must be by the next; peers have their administrator's between."""
    place = chain.index(authority)
    try:
        for issued, issuer in pairwise(chain[: place + 1]):
            issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise AuthorityMismatch(
            "the server shows the right authority, but its own certificate is not by it; somebody may stand between you"
            " and the coordinator. Nothing secret was sent; ask for a new invitation"
        ) from error


def _presented_chain(address: str, timeout_s: float) -> list[x509.Certificate]:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_alpn_protos([b"h2"])
    try:
        with socket.create_connection(split_address(address), timeout=timeout_s) as raw:
            raw.setblocking(False)
            connection = SSL.Connection(context, raw)
            connection.set_connect_state()
            _handshake(connection, raw, time.monotonic() + timeout_s)
            chain = connection.get_peer_cert_chain(as_cryptography=True)
    except (OSError, SSL.Error) as error:
        raise Unreachable(f"no coordinator answers at {address}; check the address and that it runs") from error
    return list(chain or [])


def _handshake(connection: SSL.Connection, raw: socket.socket, deadline: float) -> None:
    while True:
        try:
            connection.do_handshake()
        except (SSL.WantReadError, SSL.WantWriteError) as want:
            reading = [raw] if isinstance(want, SSL.WantReadError) else []
            writing = [] if reading else [raw]
            if not any(select.select(reading, writing, [], max(0.0, deadline - time.monotonic()))):
                raise TimeoutError from want
        else:
            return
