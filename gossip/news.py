"""News of peers that rides on frames until enough have heard it, the least told first (memberlist's queue.go)."""

from dataclasses import dataclass

from ridgeway.proto.messages import PeerUpdate


@dataclass(slots=True)
class _Item:
    update: PeerUpdate
    left: int


class News:
    """The newest piece of news of each peer, with how often it is still to be told."""

    def __init__(self) -> None:
        self._items: dict[str, _Item] = {}

    def __bool__(self) -> bool:
        return bool(self._items)

    def tell(self, update: PeerUpdate, times: int) -> None:
        """Tell this so many times, instead of what was to be told of the peer before."""
        self._items.pop(update.peer, None)
        self._items[update.peer] = _Item(update, times)

    def forget(self, peer: str) -> None:
        """Tell nothing more of a peer."""
        self._items.pop(peer, None)

    def take(self, most: int) -> tuple[PeerUpdate, ...]:
        """What the next frame carries."""
        if not self._items:
            return ()
        chosen = sorted(self._items.values(), key=lambda item: -item.left)[:most]
        for item in chosen:
            item.left -= 1
            if item.left <= 0:
                del self._items[item.update.peer]
        return tuple(item.update for item in chosen)
