"""Long bytes beside protobuf: whatever it would have written or read, ours is the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeway.proto import messages as m
from ridgeway.proto import ridgeway_pb2
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.proto.long_bytes import LONG_BYTES, delimited, last_field

lengths = st.sampled_from([0, 1, LONG_BYTES - 1, LONG_BYTES, LONG_BYTES + 1, 512 * 1024]) | st.integers(0, 40_000)
data = st.builds(lambda length, byte: bytes([byte]) * length, lengths, st.integers(0, 255))
numbers = st.integers(0, 2**32 - 1)
payload_chunks = st.builds(m.PayloadChunk, numbers, data)
chunks = (
    payload_chunks
    | st.builds(lambda chunk: m.ContributeRequest(chunk=chunk), payload_chunks)
    | st.builds(lambda chunk, nonce: m.RoundReply(input=chunk, nonce=nonce), payload_chunks, st.binary(max_size=40))
    | st.builds(m.RouterChunk, st.integers(0, 2**64 - 1), numbers, numbers, data, numbers)
    | st.builds(
        lambda digest, index, data: m.PeerFrame(1, chunk=m.GossipChunk(digest, index, data)),
        st.binary(max_size=32),
        numbers,
        data,
    )
)


def generated(message: object) -> object:
    return getattr(ridgeway_pb2, type(message).__name__)


@given(chunks)
def test_protobuf_reads_what_is_written_here(message: object) -> None:
    written = encode(message)
    theirs = generated(message).FromString(written)  # type: ignore[attr-defined]
    assert decode(type(message), theirs.SerializeToString()) == message
    assert decode(type(message), written) == message


@given(payload_chunks)
def test_an_upload_s_chunks_are_written_as_protobuf_writes_them(chunk: m.PayloadChunk) -> None:
    theirs = ridgeway_pb2.ContributeRequest(chunk=ridgeway_pb2.PayloadChunk(index=chunk.index, data=chunk.data))
    assert encode(m.ContributeRequest(chunk=chunk)) == theirs.SerializeToString()


fields = st.lists(
    st.builds(lambda number, content: b"".join(delimited(number, [content])), st.integers(1, 12), data)
    | st.sampled_from([b"\x08\x05", b"\x0d\x00\x00\x00\x00", b"\x09" + bytes(8), b"\x0b", b"\x12\x00", b"\x80"]),
    max_size=10,
)


@given(st.sampled_from([m.ContributeRequest, m.PayloadChunk, m.RoundReply, m.RouterChunk, m.PeerFrame]), fields, data)
def test_whatever_comes_is_read_as_protobuf_reads_it(kind: type[object], parts: list[bytes], tail: bytes) -> None:
    """Fields twice, out of order, unknown, cut off, with more than one member of a choice: it is protobuf's reading."""
    inner = b"".join([b"\x08\x01", *delimited(2, [tail])])
    for written in (
        b"".join(parts),
        b"".join([*parts, *delimited(2, [inner])]),
        b"".join([*parts, *delimited(4, [tail])]),
    ):
        try:
            expected = getattr(ridgeway_pb2, kind.__name__).FromString(written).SerializeToString()
        except Exception:  # noqa: BLE001 - protobuf's DecodeError, of whichever implementation is installed
            with pytest.raises(MalformedMessage):
                decode(kind, written)
        else:
            read = decode(kind, written)
            assert encode(read) == encode(decode(kind, expected))


def test_a_second_member_of_a_choice_takes_the_place_of_the_first() -> None:
    record = encode(m.ContributeRequest(record=m.SignedRecord(b"body", b"signature")))
    chunk = m.PayloadChunk(3, bytes(LONG_BYTES))
    assert decode(m.ContributeRequest, record + encode(m.ContributeRequest(chunk=chunk))).record is None
    assert decode(m.ContributeRequest, encode(m.ContributeRequest(chunk=chunk)) + record).chunk is None


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (b"\x12\x02ab", (0, 2)),
        (b"\x08\x05\x12\x02ab", (2, 4)),
        (b"\x12\x01a\x12\x02ab", None),
        (b"\x12\x03ab", None),
        (b"\x12\xff", None),
        (b"\x0b\x12\x02ab", None),
        (b"\x08\x05" * 8 + b"\x12\x02ab", None),
        (b"\xff" * 11, None),
        (b"", None),
    ],
)
def test_the_last_field_is_found_or_left_to_protobuf(written: bytes, found: tuple[int, int] | None) -> None:
    assert last_field(written, 2) == found
