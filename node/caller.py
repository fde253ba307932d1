"""Who may ask a node over the network: programs with a valid certificate of its own owner, and nobody else."""

from datetime import datetime

import grpc

from ridgeway.crypto.certificates import BadCertificate, read_peer_certificate
from ridgeway.errors import RidgewayError
from ridgeway.node.state import Membership


class NotYourNode(RidgewayError):
    """A caller that is not of the node's own owner."""


def require_own(context: grpc.aio.ServicerContext, membership: Membership, now: datetime) -> None:
    """Check the certificate that TLS verified for this connection.

    Raises:
        NotYourNode: there is none, it is another owner's, or it has ended.
    """
    shown = context.auth_context().get("x509_pem_cert") or [b""]
    try:
        certificate = read_peer_certificate(bytes(shown[0]))
    except BadCertificate as error:
        raise NotYourNode(str(error)) from error
    if (certificate.owner, certificate.federation_id) != (membership.owner, membership.federation_id):
        raise NotYourNode(f"this is the node of {membership.owner}; ask your own")
    if certificate.not_after <= now:
        raise NotYourNode("this certificate has expired; read the renewed one from the node's data directory")
