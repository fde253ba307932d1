"""Invitations, identities, certificates and content hashes: what was made is read back, what was touched is refused."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ridgeway.crypto.authority import BadAuthority, BadSigningRequest, CertificateAuthority
from ridgeway.crypto.certificates import (
    BadCertificate,
    new_tls_key,
    read_peer_certificate,
    renewal_due,
    signing_request,
    validity,
)
from ridgeway.crypto.identity import BadIdentityKey, BadSignature, IdentityKey, verify
from ridgeway.crypto.invitation import BadInvitation, Invitation, hashes_match, secret_hash
from ridgeway.crypto.owner_name import BadName, check_domain_name, check_owner_name
from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests, payload_digest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AUTHORITY = CertificateAuthority.create("fed", NOW)
KEY = IdentityKey.generate()
INVITATION = Invitation("[::1]:7444", "clinic", "fed", bytes(range(32)), b"s" * 32, NOW)
ALPHABET = string.ascii_letters + string.digits + "-_"


def test_an_invitation_comes_back_as_it_was_made_and_hides_its_secret() -> None:
    assert Invitation.from_token(f"  {INVITATION.to_token()}\n") == INVITATION
    assert "s" * 8 not in repr(INVITATION)
    assert hashes_match(secret_hash(INVITATION.secret), secret_hash(INVITATION.secret))
    assert not hashes_match(secret_hash(INVITATION.secret), secret_hash(bytes(32)))


@given(st.data())
def test_a_mistyped_or_cut_off_invitation_is_refused(data: st.DataObject) -> None:
    token = INVITATION.to_token()
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from(ALPHABET).filter(lambda c: c != token[place]))
    with pytest.raises(BadInvitation):
        Invitation.from_token(token[:place] + other + token[place + 1 :])
    with pytest.raises(BadInvitation):
        Invitation.from_token(token[:place])


@given(st.binary(max_size=40), st.binary(min_size=1, max_size=40))
def test_a_signature_holds_for_its_key_label_and_body_only(body: bytes, label: bytes) -> None:
    signature = KEY.sign(label, body)
    verify(KEY.public_bytes, label, body, signature)
    for bad in ((label + b"x", body), (label, body + b"x"), (label[:-1], label[-1:] + body)):
        with pytest.raises(BadSignature):
            verify(KEY.public_bytes, *bad, signature)
    with pytest.raises(BadSignature):
        verify(IdentityKey.generate().public_bytes, label, body, signature)
    with pytest.raises(BadSignature):
        verify(b"short", label, body, signature)


def test_an_identity_key_survives_its_file_and_nothing_else_passes_for_one() -> None:
    assert IdentityKey.from_pem(KEY.to_pem()).public_bytes == KEY.public_bytes
    for pem in (b"rubbish", new_tls_key()):
        with pytest.raises(BadIdentityKey):
            IdentityKey.from_pem(pem)


@given(st.integers(0, 3 * CHUNK_BYTES))
def test_a_payload_s_digest_depends_on_every_chunk_and_the_length(length: int) -> None:
    digests = chunk_digests(bytes(length))
    assert len(digests) == -(-length // CHUNK_BYTES)
    assert payload_digest(length, digests) != payload_digest(length + 1, digests)
    assert payload_digest(length, digests) != payload_digest(length, [*digests, bytes(32)])


def test_a_member_s_certificate_says_what_the_authority_says_not_what_was_asked() -> None:
    pem = AUTHORITY.issue_member(signing_request(new_tls_key(), "mallory"), "clinic", NOW)
    peer = read_peer_certificate(pem)
    assert (peer.owner, peer.federation_id) == ("clinic", "fed")
    assert NOW <= peer.not_after <= NOW + timedelta(hours=24)
    x509.load_pem_x509_certificate(pem).verify_directly_issued_by(
        x509.load_pem_x509_certificate(AUTHORITY.certificate_pem)
    )


def test_no_certificate_outlives_the_authority() -> None:
    late = NOW + timedelta(days=3649)
    pem = AUTHORITY.issue_member(signing_request(new_tls_key(), "x"), "clinic", late, timedelta(days=90))
    assert validity(pem)[1] == validity(AUTHORITY.certificate_pem)[1]


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def test_requests_that_the_authority_does_not_sign() -> None:
    good = signing_request(new_tls_key(), "x")
    bad = [
        b"rubbish",
        good[:-40],
        csr(ec.generate_private_key(ec.SECP384R1())),
        csr(rsa.generate_private_key(65537, 2048)),
    ]
    for pem in bad:
        with pytest.raises(BadSigningRequest):
            AUTHORITY.issue_member(pem, "clinic", NOW)
    with pytest.raises(BadName):
        AUTHORITY.issue_member(good, "Not A Name", NOW)


def test_the_coordinator_s_and_the_authority_s_certificates_are_no_member_s() -> None:
    coordinator = AUTHORITY.issue_coordinator(signing_request(new_tls_key(), "x"), NOW, timedelta(days=1))
    for pem in (coordinator, AUTHORITY.certificate_pem, b"rubbish"):
        with pytest.raises(BadCertificate):
            read_peer_certificate(pem)


def test_an_authority_comes_back_from_its_files_only_as_a_pair() -> None:
    other = CertificateAuthority.create("fed", NOW)
    again = CertificateAuthority.from_pem(AUTHORITY.certificate_pem, AUTHORITY.private_key_pem(), "fed")
    assert again.fingerprint == AUTHORITY.fingerprint
    with pytest.raises(BadAuthority):
        CertificateAuthority.from_pem(AUTHORITY.certificate_pem, other.private_key_pem(), "fed")


@given(st.floats(0, 1, exclude_max=True))
def test_renewal_is_due_around_two_thirds_of_a_life(jitter: float) -> None:
    due = renewal_due(NOW, NOW + timedelta(hours=30), jitter)
    assert timedelta(hours=16.9) <= due - NOW <= timedelta(hours=23.1)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a" * 64, "a/b", "ä", "a\n"])
def test_names_that_no_owner_may_have(name: str) -> None:
    with pytest.raises(BadName):
        check_owner_name(name)


@pytest.mark.parametrize("name", ["", ".a", "A", "a" * 64, "a/b", "../a", "a b", "a\n"])
def test_names_that_no_domain_may_have(name: str) -> None:
    with pytest.raises(BadName):
        check_domain_name(name)
