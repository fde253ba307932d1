"""TLS 1.3 only, both sides known by the federation's own authority.

gRPC's Python API has no setting for the lowest TLS version. It does take a list of cipher suites for TLS 1.2, which we
fill with one that needs an RSA certificate: Ridgeway's certificates are all ECDSA, so a TLS 1.2 handshake never has a
suite in common, while the suites of TLS 1.3 are fixed and not affected. gRPC reads the list once, on import, so
the package `ridgeway` sets it before that.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from ridgeway import TLS_1_2_SUITES
from ridgeway.crypto.certificates import COORDINATOR_NAME
from ridgeway.errors import RidgewayError
from ridgeway.runtime.channel_options import channel_options


class TlsVersionNotEnforced(RidgewayError):
    """gRPC was imported too early to be held to TLS 1.3."""


if os.environ.get("GRPC_SSL_CIPHER_SUITES") != TLS_1_2_SUITES:
    raise TlsVersionNotEnforced(
        "gRPC was imported before ridgeway, so TLS 1.2 cannot be ruled out; import ridgeway first"
    )


@dataclass(frozen=True, slots=True)
class MemberTls:
    """What one end shows and whom it believes: PEM bytes."""

    authority_pem: bytes
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def mutual_server_credentials(current: Callable[[], MemberTls]) -> grpc.ServerCredentials:
    """Server side of mutual TLS; `current` is asked at every handshake, so a renewed certificate is served at once."""
    return _server_credentials(
        current,
        lambda tls: grpc.ssl_server_certificate_configuration([(tls.key_pem, tls.certificate_pem)], tls.authority_pem),
        mutual=True,
    )


def enrolment_server_credentials(current: Callable[[], MemberTls]) -> grpc.ServerCredentials:
    """Server side for owners who have no certificate yet; the authority is sent along, for them to compare its hash."""
    return _server_credentials(
        current,
        lambda tls: grpc.ssl_server_certificate_configuration(
            [(tls.key_pem, tls.certificate_pem + tls.authority_pem)], None
        ),
        mutual=False,
    )


def _server_credentials(
    current: Callable[[], MemberTls],
    configuration: Callable[[MemberTls], grpc.ServerCertificateConfiguration],
    *,
    mutual: bool,
) -> grpc.ServerCredentials:
    """Credentials that follow a renewed certificate.

    gRPC builds a new TLS context for every configuration it is handed, and has crashed when that happened under
    concurrent handshakes; so it gets one only when the certificate is another.
    """
    served = current()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        newest = current()
        if newest == served:
            return None
        served = newest
        return configuration(newest)

    return grpc.dynamic_ssl_server_credentials(configuration(served), renewed, require_client_authentication=mutual)


def member_channel(address: str, tls: MemberTls, server_name: str = COORDINATOR_NAME) -> grpc.aio.Channel:
    """A channel over mutual TLS to whoever holds a certificate of the authority with this name, at whatever address."""
    credentials = grpc.ssl_channel_credentials(tls.authority_pem, tls.key_pem, tls.certificate_pem)
    return grpc.aio.secure_channel(address, credentials, options=channel_options(server_name))


def enrolment_channel(address: str, authority_pem: bytes, server_name: str = COORDINATOR_NAME) -> grpc.aio.Channel:
    """A channel to whoever lets owners in, for one without a certificate; the authority was pinned before."""
    credentials = grpc.ssl_channel_credentials(authority_pem)
    return grpc.aio.secure_channel(address, credentials, options=channel_options(server_name))
