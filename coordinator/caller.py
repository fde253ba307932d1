"""Who is calling: the owner that the peer's certificate names."""

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import unquote

import grpc

from ridgeway.coordinator.membership import NotAMember
from ridgeway.crypto.certificates import BadCertificate, PeerCertificate, read_peer_certificate

# Parsing a certificate takes longer than a small call; a thousand are 2 MB.
_cached = lru_cache(maxsize=1024)(read_peer_certificate)


def peer_certificate(context: grpc.aio.ServicerContext) -> PeerCertificate:
    """The certificate that TLS verified for this connection.

    Raises:
        NotAMember: there is none, or it is no member's.
    """
    shown = context.auth_context().get("x509_pem_cert")
    if not shown:
        raise NotAMember("the call came without a certificate; join with an invitation")
    try:
        return _cached(bytes(shown[0]))
    except BadCertificate as error:
        raise NotAMember(str(error)) from error


def peer_network(context: grpc.aio.ServicerContext) -> str:
    """Where a call comes from: the IPv4 address; of IPv6 the first 64 bits, since one caller may have all the rest."""
    _, _, rest = unquote(context.peer()).partition(":")
    host = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(address) if address.version == 4 else address.exploded[:19]
