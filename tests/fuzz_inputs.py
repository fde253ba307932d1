"""Good inputs, and what makes strange ones of them."""

import random
from pathlib import Path

CORPUS = Path(__file__).parent / "fuzz" / "corpus"
# Pieces that trip readers: signs, limits, depth, what separates things.
INTERESTING = (
    b"\x00",
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"[" * 2000,
    b'{"a":' * 2000,
    b"1e400",
    b"NaN",
    b"-1",
    b'"',
    b"\n",
)
KINDS = ("cut", "put", "replace", "flip", "splice", "end")
EDITS_MAX = 8
PIECE_BYTES_MAX = 64

# Where, what, and the bytes for it.
Edit = tuple[int, str, bytes]


def edited(data: bytes, edits: list[Edit], other: bytes) -> bytes:
    """Apply edits one after another; `other` is what is spliced."""
    for place, kind, piece in edits:
        at = place % (len(data) + 1)
        match kind:
            case "cut":
                data = data[:at] + data[at + len(piece) :]
            case "put":
                data = data[:at] + piece + data[at:]
            case "replace":
                data = data[:at] + piece + data[at + len(piece) :]
            case "flip":
                data = data[:at] + bytes(byte ^ 1 << (place % 8) for byte in data[at : at + 1]) + data[at + 1 :]
            case "splice":
                data = data[:at] + other[place % (len(other) + 1) :]
            case "end":
                data = data[:at]
    return data


def random_edits(draw: random.Random) -> list[Edit]:
    """A few edits."""
    return [
        (
            draw.randrange(1 << 16),
            draw.choice(KINDS),
            draw.choice(INTERESTING) if draw.random() < 0.3 else draw.randbytes(draw.randrange(9)),
        )
        for _ in range(draw.randint(1, 4))
    ]
