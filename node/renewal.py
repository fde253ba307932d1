"""Certificates that renew themselves at two thirds of their life."""

import logging
from datetime import datetime

from ridgeway.crypto.certificates import new_tls_key, renewal_due, signing_request, validity
from ridgeway.node.link import Link, write_credential
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.tls import MemberTls

_log = logging.getLogger("ridgeway.node")

# A certificate that is due at once again, since clocks differ or its life is very short, is not renewed without pause.
PAUSE_S_MIN = 1.0


def seconds_left(link: Link, now: datetime, jitter: float) -> float:
    """How long until a link's certificate is to be renewed; `jitter` is drawn evenly from [0, 1)."""
    due = renewal_due(*validity(link.tls.certificate_pem), jitter)
    return max(PAUSE_S_MIN, (due - now).total_seconds())


async def renew(directory: DataDirectory, link: Link, owner: str) -> None:
    """Get the next certificate, write it, and use it.

    Raises:
        Unreachable, Refused: try again later.
    """
    key = new_tls_key()
    request = m.RenewCertificateRequest(signing_request(key, owner))
    response = await link.call(rpc.RENEW_CERTIFICATE, request)
    write_credential(directory, key, response.certificate_pem)
    await link.present(MemberTls(link.tls.authority_pem, response.certificate_pem, key))
    _log.info("renewed the certificate of %s", owner)
