"""A stream of rounds with ourselves, for the member whose turn it is to add up."""

import asyncio
from collections.abc import AsyncIterator

from ridgeway.proto import messages as m
from ridgeway.rounds.hall import Hall

# Pieces of a masked vector that wait; as with a network, whoever sends waits for whoever reads.
REPLIES_HELD = 8


class LocalStream:
    """What a call of TakePart would be.

    Args:
        hall: our own.
        owner: we.
    """

    def __init__(self, hall: Hall, owner: str) -> None:
        self._replies: asyncio.Queue[m.RoundReply] = asyncio.Queue(REPLIES_HELD)
        self.orders = hall.follow(owner, self._said(), lambda: None)

    async def write(self, reply: m.RoundReply, /) -> None:
        """Send something."""
        await self._replies.put(reply)

    async def _said(self) -> AsyncIterator[m.RoundReply]:
        while True:
            yield await self._replies.get()

    def __aiter__(self) -> AsyncIterator[m.RoundOrder]:
        """What comes."""
        return self.orders

    def cancel(self) -> None:
        """Whoever reads closes `orders`."""
