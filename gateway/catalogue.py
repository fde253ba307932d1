"""By which names clients reach experts.

`OWNER/DOMAIN` is one owner's expert and the name that /v1/models lists. A `DOMAIN` alone is any expert that serves it.
So is the model's own name, as its owner stated it. Of several, the first by rank is asked first, and the others are
whom a request is passed on to. A name that is two of these is the first of them.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ridgeway.gateway.api_error import UnknownModel
from ridgeway.gateway.api_request import AUTO
from ridgeway.router import Expert

# What tells experts apart across router versions, whose prices and latencies differ: owner, domain, URL, model.
Identity = tuple[str, str, str, str]


def identity(expert: Expert) -> Identity:
    """What stays the same from one router version to the next."""
    return expert.owner, expert.domain, expert.url, expert.model


def listed_name(expert: Expert) -> str:
    """The name that /v1/models lists."""
    return f"{expert.owner}/{expert.domain}"


def answered_name(expert: Expert) -> str:
    """What an answer's `model` says: the model's own name, or if its owner stated none, the listed one."""
    return expert.model or listed_name(expert)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read along: https, or this very machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


class Catalogue:
    """The experts of one router version.

    Args:
        experts: all that the router names.
        allow_http: whether those on other machines may be asked without encryption; otherwise they are left out.

    Attributes:
        left_out: the experts that would be asked without encryption.
    """

    def __init__(self, experts: Iterable[Expert], *, allow_http: bool) -> None:
        ranked = sorted(experts, key=lambda expert: (expert.rank, expert.domain))
        self.left_out = [] if allow_http else [expert for expert in ranked if not is_private(expert.url)]
        self._experts = [expert for expert in ranked if expert not in self.left_out]
        self._by_identity = {identity(expert): expert for expert in reversed(self._experts)}

    def find(self, wanted: Identity) -> Expert | None:
        """The expert as this router version knows it."""
        return self._by_identity.get(wanted)

    def serving(self, domain: str) -> list[Expert]:
        """The experts of a domain, by rank."""
        return [expert for expert in self._experts if expert.domain == domain]

    def named(self, name: str) -> list[Expert]:
        """The experts that a client means.

        Raises:
            UnknownModel: nobody.
        """
        for name_of in (listed_name, lambda expert: expert.domain, lambda expert: expert.model):
            if found := [expert for expert in self._experts if name_of(expert) == name]:
                return found
        raise UnknownModel(f"no expert serves the model; {AUTO!r} routes, /v1/models lists the others", param="model")

    def models(self, created_unix_s: int) -> list[dict[str, Any]]:
        """What /v1/models lists."""
        listed = {listed_name(expert): expert for expert in reversed(self._experts)}
        return [
            _entry(AUTO, "ridgeway", created_unix_s),
            *(
                _entry(name, expert.owner, created_unix_s) | {"ridgeway": _details(expert)}
                for name, expert in sorted(listed.items())
            ),
        ]

    def model(self, name: str, created_unix_s: int) -> dict[str, Any]:
        """What /v1/models/NAME says.

        Raises:
            UnknownModel: nobody serves it.
        """
        if name == AUTO:
            return _entry(AUTO, "ridgeway", created_unix_s)
        expert = self.named(name)[0]
        return _entry(name, expert.owner, created_unix_s) | {"ridgeway": _details(expert)}


def distinct(experts: Iterable[Expert]) -> list[Expert]:
    """Each expert once, at its first place."""
    found: dict[Identity, Expert] = {}
    for expert in experts:
        found.setdefault(identity(expert), expert)
    return list(found.values())


def _entry(name: str, owner: str, created_unix_s: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created_unix_s, "owned_by": owner}


def _details(expert: Expert) -> dict[str, Any]:
    return {"domain": expert.domain, "model": expert.model, "price": expert.price, "latency_ms": expert.latency_ms}
