"""Signed records open only for the key that signed them, and only as what they were signed as."""

from dataclasses import replace

import pytest

from ridgeway.crypto.identity import BadSignature, IdentityKey
from ridgeway.crypto.labels import CONTRIBUTION_SIGNATURE
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.proto.codec import MalformedMessage
from ridgeway.proto.messages import ContributionBody, SignedRecord, WithdrawalBody
from ridgeway.proto.records import (
    MalformedRecord,
    open_contribution,
    open_withdrawal,
    sign_contribution,
    sign_withdrawal,
)

KEY = IdentityKey.generate()
BODY = ContributionBody(
    format_version=2,
    federation_id="f",
    owner="clinic",
    domain="medical",
    sequence=1,
    manifest_digest=bytes(32),
    rows=10,
    payload_bytes=CHUNK_BYTES + 8,
    chunk_digests=(bytes(32), bytes(32)),
    bytes_per_number=4,
)


def test_a_contribution_opens_as_it_was_signed() -> None:
    assert open_contribution(sign_contribution(KEY, BODY), KEY.public_bytes) == BODY


def test_numbers_of_a_record_of_version_1_take_eight_bytes() -> None:
    old = replace(BODY, format_version=1, bytes_per_number=0)
    assert open_contribution(sign_contribution(KEY, old), KEY.public_bytes) == replace(old, bytes_per_number=8)


def test_a_withdrawal_opens_as_it_was_signed() -> None:
    body = WithdrawalBody(1, "f", "clinic", "", 4)
    assert open_withdrawal(sign_withdrawal(KEY, body), KEY.public_bytes) == body


def test_another_owner_s_key_does_not_open_it() -> None:
    with pytest.raises(BadSignature):
        open_contribution(sign_contribution(KEY, BODY), IdentityKey.generate().public_bytes)


def test_a_changed_body_does_not_open() -> None:
    record = sign_contribution(KEY, BODY)
    with pytest.raises(BadSignature):
        open_contribution(replace(record, body=record.body + b"\x00"), KEY.public_bytes)


def test_a_withdrawal_is_no_contribution() -> None:
    record = sign_withdrawal(KEY, WithdrawalBody(1, "f", "clinic", "medical", 4))
    with pytest.raises(BadSignature):
        open_contribution(record, KEY.public_bytes)


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 3},
        {"format_version": 0},
        {"bytes_per_number": 0},
        {"bytes_per_number": 9},
        {"chunk_digests": (bytes(32),)},
        {"chunk_digests": (bytes(32), bytes(31))},
        {"payload_bytes": 8},
    ],
)
def test_a_signed_body_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    record = sign_contribution(KEY, replace(BODY, **change))  # type: ignore[arg-type]
    with pytest.raises(MalformedRecord):
        open_contribution(record, KEY.public_bytes)


def test_signed_garbage_is_refused() -> None:
    garbage = b"\xff\xff\xff"
    record = SignedRecord(garbage, KEY.sign(CONTRIBUTION_SIGNATURE, garbage))
    with pytest.raises(MalformedMessage):
        open_contribution(record, KEY.public_bytes)
