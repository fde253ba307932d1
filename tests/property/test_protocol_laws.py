"""Laws of the shared protocol machines."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests
from ridgeway.protocol.admission import Admission, ConflictingRecord, StaleSequence, Standing, admit
from ridgeway.protocol.backoff import Backoff
from ridgeway.protocol.upload import DamagedChunk, UploadAssembly, UploadError

records = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([b"a", b"b"])), max_size=5)


def last_standing(order: tuple[tuple[int, bytes], ...]) -> Standing | None:
    standing: Standing | None = None
    for sequence, digest in order:
        try:
            if admit(standing, sequence, digest) is Admission.REPLACE:
                standing = Standing(sequence, digest)
        except (StaleSequence, ConflictingRecord):
            continue
    return standing


@given(records.filter(lambda made: len({sequence for sequence, _ in made}) == len(made)))
def test_whatever_the_order_the_highest_number_stands(made: list[tuple[int, bytes]]) -> None:
    outcomes = {last_standing(order) for order in itertools.permutations(made)}
    assert outcomes == {Standing(*max(made)) if made else None}


@given(st.integers(0, 2 * CHUNK_BYTES + 9), st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8))
def test_an_upload_completes_only_with_the_signed_bytes_in_order(length: int, sends: list[tuple[int, bool]]) -> None:
    payload = bytes(i % 251 for i in range(length))
    pieces = [payload[i : i + CHUNK_BYTES] for i in range(0, length, CHUNK_BYTES)]
    assembly = UploadAssembly(length, chunk_digests(memoryview(payload)))
    accepted = []
    for index, damaged in sends:
        data = pieces[index] if index < len(pieces) else b"?"
        if damaged:
            data = bytes([data[0] ^ 1]) + data[1:]
        try:
            assembly.accept(index, data)
        except UploadError:
            continue
        accepted.append(data)
    assert accepted == pieces[: len(accepted)]
    assert assembly.complete == (accepted == pieces)


def test_a_chunk_whose_bytes_are_not_those_that_were_signed_is_refused_and_not_counted() -> None:
    assembly = UploadAssembly(3, chunk_digests(memoryview(b"abc")))
    with pytest.raises(DamagedChunk):
        assembly.accept(0, b"abd")
    assert assembly.next_chunk == 0
    assembly.accept(0, b"abc")
    assert assembly.complete


@given(st.lists(st.floats(0.0, 1.0, exclude_max=True), max_size=60))
def test_a_delay_is_never_zero_and_never_above_the_longest(draws: list[float]) -> None:
    backoff = Backoff(first_s=0.5, longest_s=8.0)
    delays = [backoff.failed(draw) for draw in draws]
    assert all(0.25 <= delay <= 8.0 for delay in delays)
    backoff.succeeded()
    assert backoff.failed(0.999999) <= 0.5
