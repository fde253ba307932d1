"""The rule for sequence numbers, case by case."""

import pytest

from ridgeway.protocol.admission import Admission, ConflictingRecord, StaleSequence, Standing, admit

STANDING = Standing(sequence=5, record_digest=b"five")


def test_the_first_record_of_an_owner_counts() -> None:
    assert admit(None, 1, b"x") is Admission.REPLACE


def test_a_higher_number_replaces() -> None:
    assert admit(STANDING, 6, b"six") is Admission.REPLACE


def test_the_same_record_again_is_a_repeat() -> None:
    assert admit(STANDING, 5, b"five") is Admission.REPEAT


def test_other_bytes_under_a_taken_number_conflict() -> None:
    with pytest.raises(ConflictingRecord, match="sign again with 6"):
        admit(STANDING, 5, b"other")


def test_an_older_number_is_stale() -> None:
    with pytest.raises(StaleSequence, match="older than 5"):
        admit(STANDING, 4, b"four")


def test_zero_is_no_sequence_number() -> None:
    with pytest.raises(StaleSequence, match="start at 1"):
        admit(None, 0, b"zero")
