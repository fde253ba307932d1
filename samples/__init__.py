"""Sample prompts written for Ridgeway, for the demo and the tests: four domains, some prompts on the border of two."""

import json
from functools import cache
from pathlib import Path

from ridgeway.errors import RidgewayError

DOMAINS = ("legal", "coding", "medical", "finance")
_FOLDER = Path(__file__).parent


class UnknownSampleDomain(RidgewayError):
    """A domain without sample prompts."""


def train_path(domain: str) -> Path:
    """The JSON Lines file of a domain's prompts.

    Raises:
        UnknownSampleDomain: there are none.
    """
    return _path("train", domain)


def test_path(domain: str) -> Path:
    """The JSON Lines file of a domain's held-out prompts.

    Raises:
        UnknownSampleDomain: there are none.
    """
    return _path("test", domain)


@cache
def prompts() -> tuple[str, ...]:
    """All of them, of every domain, held-out ones too: public prompts that are the same at everybody."""
    paths = [path(domain) for domain in DOMAINS for path in (train_path, test_path)]
    return tuple(json.loads(line)["prompt"] for path in paths for line in path.read_text("utf-8").splitlines())


def _path(split: str, domain: str) -> Path:
    if domain not in DOMAINS:
        raise UnknownSampleDomain(f"there are no sample prompts of {domain!r}; choose among {', '.join(DOMAINS)}")
    return _FOLDER / split / f"{domain}.jsonl"
