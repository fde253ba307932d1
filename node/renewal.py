"""Certificates that renew themselves at two thirds of their life."""

import logging
from collections.abc import Callable
from datetime import datetime

from ridgeway.crypto.certificates import new_tls_key, renewal_due, signing_request, validity
from ridgeway.errors import RidgewayError
from ridgeway.node.link import Link, write_credential
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.tls import MemberTls

_log = logging.getLogger("ridgeway.node")


class CertificateExpired(RidgewayError):
    """Too late to renew."""


class Renewal:
    """Renews one link's certificate when it is due; `jitter` is drawn evenly from [0, 1) by the caller."""

    def __init__(self, directory: DataDirectory, owner: str, now: Callable[[], datetime], jitter: float) -> None:
        self._directory = directory
        self._owner = owner
        self._now = now
        self._jitter = jitter

    def seconds_left(self, link: Link) -> float:
        """How long until the link's certificate is to be renewed; at least 0."""
        due = renewal_due(*validity(link.tls.certificate_pem), self._jitter)
        return max(0.0, (due - self._now()).total_seconds())

    async def renew(self, link: Link) -> None:
        """Get the next certificate, write it, and use it.

        Raises:
            CertificateExpired: the present one has ended, so nobody would know us.
            Unreachable, Refused: try again later.
        """
        if validity(link.tls.certificate_pem)[1] <= self._now():
            raise CertificateExpired(
                f"the certificate of {self._owner} expired while nobody renewed it; ask for a new invitation and join"
            )
        key = new_tls_key()
        request = m.RenewCertificateRequest(signing_request(key, self._owner))
        response = await link.call(rpc.RENEW_CERTIFICATE, request)
        write_credential(self._directory, key, response.certificate_pem)
        link.present(MemberTls(link.tls.authority_pem, response.certificate_pem, key))
        _log.info("renewed the certificate of %s", self._owner)
