"""The coordinator's own certificate: renewed well before it ends, and the same until then."""

from datetime import UTC, datetime, timedelta

from cryptography import x509

from ridgeway.coordinator.daemon import SERVER_CERTIFICATE_LIFETIME, ServerCertificate
from ridgeway.crypto.authority import CertificateAuthority

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_the_coordinators_certificate_is_renewed_before_it_ends_and_not_much_earlier() -> None:
    now = NOW
    certificate = ServerCertificate(CertificateAuthority.create("federation", NOW), lambda: now)
    first = certificate.current()
    now = NOW + SERVER_CERTIFICATE_LIFETIME / 2
    assert certificate.current() is first
    now = NOW + SERVER_CERTIFICATE_LIFETIME - timedelta(minutes=1)
    renewed = certificate.current()
    assert certificate.current() is renewed
    end = x509.load_pem_x509_certificate(renewed.certificate_pem).not_valid_after_utc
    assert end > NOW + 1.9 * SERVER_CERTIFICATE_LIFETIME
