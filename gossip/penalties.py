"""Who sends what no honest peer sends is disconnected, and after repetition ignored for a growing time."""

from dataclasses import dataclass

from ridgeway.gossip.limits import FORGIVE_S, IGNORE_FIRST_S, IGNORE_MAX_S


@dataclass(slots=True)
class _Account:
    offences: int
    last_s: float
    ignored_until_s: float


class Penalties:
    """An account for each peer that has offended."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def offend(self, peer: str, now_s: float) -> tuple[int, float]:
        """Count an offence; how many there are now, and for how many seconds the peer is ignored."""
        offences = self.offences(peer, now_s) + 1
        # The shift is bounded too: a thousand offences must not make a number of a thousand bits.
        ignored_s = min(IGNORE_MAX_S, IGNORE_FIRST_S * 2.0 ** min(offences - 2, 30)) if offences > 1 else 0.0
        self._accounts[peer] = _Account(offences, now_s, now_s + ignored_s)
        return offences, ignored_s

    def offences(self, peer: str, now_s: float) -> int:
        """How many count: one is forgotten for each `FORGIVE_S` since the last."""
        account = self._accounts.get(peer)
        if account is None:
            return 0
        since_s = max(0.0, now_s - max(account.last_s, account.ignored_until_s))
        return max(0, account.offences - int(since_s / FORGIVE_S))

    def ignored(self, peer: str, now_s: float) -> bool:
        """Whether nothing is taken from the peer now."""
        account = self._accounts.get(peer)
        return account is not None and now_s < account.ignored_until_s

    def keep(self, members: "set[str]") -> None:
        """Forget everybody else."""
        self._accounts = {peer: account for peer, account in self._accounts.items() if peer in members}
