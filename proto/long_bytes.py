"""Messages that end in one long string of bytes, written and read without protobuf's copies of it.

protobuf copies such bytes into its own memory and out of it again, and grows its output as it goes. Here they are laid
behind the rest of the message: fields may come in any order, and one of bytes is its tag, its length and the bytes
(https://protobuf.dev/programming-guides/encoding).
"""

# Of what is shorter a copy costs nothing.
LONG_BYTES = 16 * 1024
# No message here has as many fields before its long bytes; protobuf reads one that has.
_FIELDS_BEFORE_MAX = 8
_VARINT, _FIXED_64, _DELIMITED, _FIXED_32 = 0, 1, 2, 5


def delimited(number: int, pieces: list[bytes]) -> list[bytes]:
    """The field of this number whose content is these pieces together, in pieces itself."""
    return [_varint(number << 3 | _DELIMITED) + _varint(sum(map(len, pieces))), *pieces]


def last_field(data: bytes | memoryview, number: int) -> tuple[int, int] | None:
    """Where a message's last field begins and where its content, if it is of bytes and has this number; else None.

    None too where the same field came before, or the bytes are no message: only protobuf knows what they mean.
    """
    wanted, begin = number << 3 | _DELIMITED, 0
    try:
        for _ in range(_FIELDS_BEFORE_MAX):
            tag, content = _read_varint(data, begin)
            if tag == wanted:
                length, content = _read_varint(data, content)
                return (begin, content) if content + length == len(data) else None
            begin = _end_of(data, tag & 7, content)
    except IndexError:
        pass
    return None


def _end_of(data: bytes | memoryview, wire_type: int, content: int) -> int:
    """Where a field ends; raises IndexError for one that cannot be skipped."""
    if wire_type == _VARINT:
        return _read_varint(data, content)[1]
    if wire_type == _DELIMITED:
        length, content = _read_varint(data, content)
        return content + length
    return content + {_FIXED_64: 8, _FIXED_32: 4}.get(wire_type, len(data))


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes | memoryview, begin: int) -> tuple[int, int]:
    """A number of at most five bytes and where it ends; raises IndexError where there is none."""
    value = 0
    for place in range(5):
        byte = data[begin + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, begin + place + 1
    raise IndexError
