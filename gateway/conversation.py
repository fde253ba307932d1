"""Which expert a conversation has: remembered for a while, by a keyed hash, so that no prompt is kept.

A conversation is known by the header `x-ridgeway-session`, and without one by its opening: the model asked for, the
field `user`, and the messages up to the first of the user, which every later turn repeats.
"""

from collections import OrderedDict
from hashlib import blake2b

import orjson

from ridgeway.gateway.api_error import BadRequest
from ridgeway.gateway.api_request import ApiRequest
from ridgeway.gateway.catalogue import Identity

# Ten thousand people at once; each costs some 300 bytes.
CONVERSATIONS_MAX = 10_000
# After a pause this long an expert's cache of the conversation is gone too.
FORGOTTEN_AFTER_S = 3600.0
SESSION_CHARACTERS = 256


class Conversations:
    """Remembers the expert of each conversation.

    Args:
        secret: at most 64 random bytes, so that nobody can tell from a hash what was said.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._experts: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._experts)

    def key(self, request: ApiRequest, session: str | None) -> bytes | None:
        """What the conversation is known by; None if the request is part of none.

        Raises:
            BadRequest: the session's name is too long.
        """
        if session:
            if len(session) > SESSION_CHARACTERS:
                raise BadRequest(f"a session's name may have {SESSION_CHARACTERS} characters, not {len(session)}")
            return self._hash(b"session", session.encode("utf-8", "surrogateescape"))
        if not request.opening:
            return None
        return self._hash(b"opening", orjson.dumps((request.model, request.body.get("user"), request.opening)))

    def expert(self, key: bytes, now: float) -> Identity | None:
        """The expert that answered last, if that was not too long ago."""
        expert, used = self._experts.get(key, (None, now))
        return expert if now - used < FORGOTTEN_AFTER_S else None

    def keep(self, key: bytes, expert: Identity, now: float) -> None:
        """Remember who answered; the conversation that has been silent longest is forgotten for it."""
        self._experts[key] = expert, now
        self._experts.move_to_end(key)
        while len(self._experts) > CONVERSATIONS_MAX:
            self._experts.popitem(last=False)

    def _hash(self, kind: bytes, data: bytes) -> bytes:
        return blake2b(data, digest_size=16, key=self._secret, person=kind).digest()
