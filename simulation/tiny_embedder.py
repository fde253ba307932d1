"""An embedder of a dozen words and three dimensions, and what a domain's statistics over it must be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ridgeway.crypto.payload_digest import chunk_digests, payload_digest
from ridgeway.embedder import Embedder, fingerprint
from ridgeway.manifest import Manifest, MassRule
from ridgeway.narrow_integers import pack, smallest_width
from ridgeway.statistics import TokenHistogram, encode_contribution, gram

WORDS = tuple(f"w{number}" for number in range(12))
_UNKNOWN = "[UNK]"


@cache
def tiny_embedder() -> Embedder:
    """The embedder; always the same."""
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: place for place, word in enumerate((_UNKNOWN, *WORDS))},
            "unk_token": _UNKNOWN,
        },
    }
    encoded = json.dumps(document).encode()
    matrix = np.random.default_rng(7).normal(size=(1 + len(WORDS), 3)).astype(np.float32)
    return Embedder(Tokenizer.from_str(encoded.decode()), matrix, fingerprint("tiny", encoded, matrix))


@dataclass(frozen=True)
class Known:
    """What some prompts contribute: the vector, its rows, and the digest of its payload."""

    vector: npt.NDArray[np.int64] = field(repr=False)
    rows: int
    payload_digest: bytes


def contribution_of(prompts: Sequence[str], manifest: Manifest) -> Known:
    """What a node must make of these prompts, without any of a node's code."""
    return _contribution(tuple(prompts), manifest.mass, manifest.fraction_bits)


@lru_cache(maxsize=4096)
def _contribution(prompts: tuple[str, ...], mass: MassRule, fraction_bits: int) -> Known:
    histogram = TokenHistogram.empty(tiny_embedder())
    histogram.add(tiny_embedder().encode_batch(prompts))
    statistics = gram(histogram, tiny_embedder())
    vector = encode_contribution(statistics, mass, fraction_bits)
    payload = pack(vector, smallest_width(vector))
    return Known(vector, statistics.rows, payload_digest(len(payload), chunk_digests(payload)))
