"""What every router in a comparison can do."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ridgeway.errors import RidgewayError


class NotInstalled(RidgewayError):
    """A baseline whose library is an extra that is not installed."""


class Method(Protocol):
    """A router that learns from prompts by domain and then chooses a domain for each prompt.

    Attributes:
        name: for tables and figures.
    """

    name: str

    def train(self, prompts: Mapping[str, Sequence[str]]) -> None:
        """Learn from each domain's prompts."""

    def choose(self, prompts: Sequence[str]) -> list[str | None]:
        """The domain of each prompt; None where it cannot be routed."""

    def router_bytes(self) -> int:
        """The size of what has to be at hand to choose."""

    def sent_bytes(self) -> dict[str, int]:
        """What each owner, one for each domain, had to give away."""


def prompt_bytes(prompts: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """What an owner sends where all data has to be in one place: its prompts, in UTF-8."""
    return {domain: sum(len(text.encode("utf-8", "replace")) for text in texts) for domain, texts in prompts.items()}


def labelled(prompts: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """All prompts, and the domain of each."""
    texts = [text for part in prompts.values() for text in part]
    return texts, [domain for domain, part in prompts.items() for _ in part]
