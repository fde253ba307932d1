"""The sample prompts: enough of them, well formed, and the held-out part really held out."""

import re
import statistics

import pytest

from ridgeway import samples
from ridgeway.node.prompts import PromptSource, read_prompts


def prompts(domain: str, split: str) -> list[str]:
    path = samples.train_path(domain) if split == "train" else samples.test_path(domain)
    return list(read_prompts(PromptSource(str(path), field="prompt")))


def normalised(prompt: str) -> str:
    return " ".join(re.findall(r"\w+", prompt.lower()))


@pytest.mark.parametrize("domain", samples.DOMAINS)
def test_each_domain_has_enough_prompts_of_varied_length(domain: str) -> None:
    train, held_out = prompts(domain, "train"), prompts(domain, "test")
    assert (len(train) >= 60, len(held_out) >= 15) == (True, True)
    lengths = [len(prompt.split()) for prompt in train + held_out]
    assert min(lengths) <= 8
    assert max(lengths) >= 25
    assert statistics.stdev(lengths) > 4


def test_no_prompt_stands_twice() -> None:
    every = [normalised(p) for domain in samples.DOMAINS for split in ("train", "test") for p in prompts(domain, split)]
    assert len(set(every)) == len(every)


def test_an_unknown_domain_says_which_there_are() -> None:
    with pytest.raises(samples.UnknownSampleDomain, match="legal, coding, medical, finance"):
        samples.train_path("astrology")
