"""Signed records: what an owner states about its part of the sum, over the exact bytes that travel.

A record is opened only after its signature was checked against the owner's identity key, and only by these functions,
so no code can act on a body that nobody signed.
"""

from dataclasses import replace

from ridgeway.crypto.identity import IdentityKey, verify
from ridgeway.crypto.labels import CONTRIBUTION_SIGNATURE, LEAVE_SIGNATURE
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.errors import RidgewayError
from ridgeway.narrow_integers import WIDTH_MAX
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.messages import ContributionBody, SignedRecord, WithdrawalBody

# Version 1 does not say how many bytes a number takes: it was always eight. Such records may still lie at nodes.
RECORD_VERSION = 2
_VERSIONS = (1, RECORD_VERSION)
DIGEST_BYTES = 32
# A ledger's numbers are signed 64-bit integers, and there must always be a next one.
SEQUENCE_MAX = 1 << 62
# The rows of 65,536 contributions, the head-room of the sum, then add up to less than 2^63.
ROWS_MAX = 1 << 47


class MalformedRecord(RidgewayError):
    """A signed record whose body contradicts itself."""


def sign_contribution(key: IdentityKey, body: ContributionBody) -> SignedRecord:
    """Sign a contribution's body with the owner's identity key."""
    data = encode(body)
    return SignedRecord(body=data, signature=key.sign(CONTRIBUTION_SIGNATURE, data))


def sign_withdrawal(key: IdentityKey, body: WithdrawalBody) -> SignedRecord:
    """Sign the withdrawal of a domain, or of the whole owner."""
    data = encode(body)
    return SignedRecord(body=data, signature=key.sign(LEAVE_SIGNATURE, data))


def open_contribution(record: SignedRecord, identity_public_key: bytes) -> ContributionBody:
    """Check a contribution's signature and form, and return its body, in which the bytes a number takes always stand.

    Raises:
        BadSignature: the owner's key did not sign these bytes as a contribution.
        MalformedMessage: the body does not parse.
        MalformedRecord: an unknown version, a number out of range, or chunks that do not add up to the payload.
    """
    verify(identity_public_key, CONTRIBUTION_SIGNATURE, record.body, record.signature)
    body = decode(ContributionBody, record.body)
    _check_version(body.format_version)
    if body.format_version == 1:
        body = replace(body, bytes_per_number=WIDTH_MAX)
    if not 1 <= body.bytes_per_number <= WIDTH_MAX:
        raise MalformedRecord(
            f"numbers take 1 to {WIDTH_MAX} bytes, not {body.bytes_per_number}; sign the record again"
        )
    _check_at_most("sequence", body.sequence, SEQUENCE_MAX)
    _check_at_most("rows", body.rows, ROWS_MAX)
    expected_chunks = -(-body.payload_bytes // CHUNK_BYTES)
    if len(body.chunk_digests) != expected_chunks or any(len(d) != DIGEST_BYTES for d in body.chunk_digests):
        raise MalformedRecord(
            f"a payload of {body.payload_bytes} bytes needs {expected_chunks} chunk digests of {DIGEST_BYTES} bytes; "
            "sign the record again"
        )
    return body


def open_withdrawal(record: SignedRecord, identity_public_key: bytes) -> WithdrawalBody:
    """Check a withdrawal's signature and form, and return its body.

    Raises:
        BadSignature: the owner's key did not sign these bytes as a withdrawal.
        MalformedMessage: the body does not parse.
        MalformedRecord: an unknown version, or a number out of range.
    """
    verify(identity_public_key, LEAVE_SIGNATURE, record.body, record.signature)
    body = decode(WithdrawalBody, record.body)
    _check_version(body.format_version)
    _check_at_most("sequence", body.sequence, SEQUENCE_MAX)
    return body


def _check_version(version: int) -> None:
    if version not in _VERSIONS:
        raise MalformedRecord(f"the record has version {version}, this release knows {_VERSIONS}; upgrade it")


def _check_at_most(name: str, value: int, limit: int) -> None:
    if value > limit:
        raise MalformedRecord(f"the record's {name} is {value}, at most {limit} is allowed; sign it again with less")
