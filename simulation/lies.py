"""What a lying member sends in the place of what it should: nonsense of every kind, in every place."""

from random import Random

LIES_SHARE = 0.25
_OVERHEARD_MAX = 64


class Liar:
    """Makes lies.

    Args:
        random: draws them.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._overheard: dict[tuple[str, str], list[bytes]] = {}

    def overhears(self, method: str, kind: str, frame: bytes) -> None:
        """A frame that may be sent again in the place of another one."""
        heard = self._overheard.setdefault((method, kind), [])
        if len(heard) < _OVERHEARD_MAX:
            heard.append(frame)
        else:
            heard[self._random.randrange(_OVERHEARD_MAX)] = frame

    def frame(self, method: str, kind: str, frame: bytes) -> bytes:
        """A lie now and then, and otherwise the very frame."""
        if self._random.random() >= LIES_SHARE:
            return frame
        lie = self._random.randrange(5)
        if lie == 0:
            return self._random.randbytes(self._random.randrange(200))
        if lie == 1:
            return frame[: self._random.randrange(len(frame) + 1)]
        if lie == 2:
            return b""
        heard = self._overheard.get((method, kind))
        if lie == 3 and heard:
            return self._random.choice(heard)
        return self._flipped(frame)

    def _flipped(self, frame: bytes) -> bytes:
        if not frame:
            return b"\0"
        changed = bytearray(frame)
        for _ in range(self._random.randrange(1, 4)):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)
