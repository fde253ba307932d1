"""Chance: any domain for any prompt."""

from collections.abc import Mapping, Sequence

import numpy as np


class Chance:
    """Chooses a domain at random, from a seed."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self._generator = np.random.default_rng(seed)
        self._domains: list[str] = []

    def train(self, prompts: Mapping[str, Sequence[str]]) -> None:
        """Learn the names of the domains."""
        self._domains = sorted(prompts)

    def choose(self, prompts: Sequence[str]) -> list[str | None]:
        """A domain for each prompt."""
        return [self._domains[place] for place in self._generator.integers(len(self._domains), size=len(prompts))]

    def router_bytes(self) -> int:
        """Nothing."""
        return 0

    def sent_bytes(self) -> dict[str, int]:
        """Nothing."""
        return dict.fromkeys(self._domains, 0)
