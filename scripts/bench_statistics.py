"""How fast a corpus becomes a contribution, against the tokeniser alone and the dense product of the paper's code.

The corpus repeats real prompts up to a number of tokens, in one JSON Lines file. Ours is end to end: read the file,
tokenise, count, multiply, encode in fixed point. The tokeniser alone gets the same prompts in the same batches, already
in memory.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
from bench_report import Row, at_least, report

from ridgeway.embedder import Embedder, fingerprint
from ridgeway.embedders import load_embedder
from ridgeway.manifest import FRACTION_BITS, MassRule
from ridgeway.node.counting import add_prompts
from ridgeway.node.prompts import PromptSource, batches, read_prompts
from ridgeway.statistics import TokenGram, encode_contribution

LARGE_DIMENSION = 2048
# Rows that the dense product is timed on; its cost for each row does not depend on how many there are.
DENSE_ROWS = 40_000


def write_corpus(prompts: list[str], embedder: Embedder, tokens: int, path: Path) -> int:
    """Repeat the prompts until there are so many tokens; how many there are."""
    once = sum(map(len, embedder.encode_batch(prompts)))
    repeats = max(1, round(tokens / once))
    lines = b"".join(orjson.dumps({"prompt": prompt}) + b"\n" for prompt in prompts)
    with path.open("wb") as file:
        for _ in range(repeats):
            file.write(lines)
    return repeats * once


def seconds_of_contribution(path: Path, embedder: Embedder) -> float:
    """End to end, from the file to fixed point."""
    started = time.perf_counter()
    rows = TokenGram(embedder)
    add_prompts(PromptSource(str(path)), embedder, rows)
    domain = rows.statistics()
    encode_contribution(domain, MassRule.OWNER, FRACTION_BITS[MassRule.OWNER])
    return time.perf_counter() - started


def seconds_of_tokeniser(made: list[list[str]], embedder: Embedder) -> float:
    """The tokeniser alone, on the same batches."""
    started = time.perf_counter()
    for batch in made:
        embedder.encode_batch(batch)
    return time.perf_counter() - started


def large_embedder(small: Embedder) -> Embedder:
    """The same tokeniser with random rows of 2,048 numbers, so that D = 2049."""
    matrix = np.random.default_rng(1).normal(size=(small.vocabulary_size, LARGE_DIMENSION)).astype(np.float32) / 32
    return Embedder(small.tokenizer, matrix, fingerprint("random", b"{}", matrix))


def dense_tokens_per_s(prompts: list[str], embedder: Embedder) -> float:
    """The straightforward way: look the rows up, append the bias, X'X in float32."""
    ids = np.concatenate([np.array(e.ids) for e in embedder.encode_batch(prompts)])[:DENSE_ROWS]
    total = np.zeros((embedder.dimension + 1, embedder.dimension + 1), dtype=np.float32)
    started = time.perf_counter()
    for start in range(0, ids.size, 4096):
        rows = embedder.rows(ids[start : start + 4096])
        x = np.hstack([rows, np.ones((len(rows), 1), dtype=np.float32)])
        total += x.T @ x
    elapsed = time.perf_counter() - started
    return float(ids.size / elapsed)


def measure(prompts: list[str], embedder: Embedder, tokens: int, repeats: int, path: Path) -> Iterator[Row]:
    """Both claims, the runs of ours and the peer's in turn."""
    counted = write_corpus(prompts, embedder, tokens, path)
    made = list(batches(read_prompts(PromptSource(str(path)))))
    pairs = [(seconds_of_contribution(path, embedder), seconds_of_tokeniser(made, embedder)) for _ in range(repeats)]
    ours, peer = (counted / statistics.median(column) for column in zip(*pairs, strict=True))
    yield at_least(f"statistics of {counted:,} tokens, D = {embedder.dimension + 1}, tokens/s", ours, peer, 0.9)
    del made
    large = large_embedder(embedder)
    dense = dense_tokens_per_s(prompts, large)
    end_to_end = counted / seconds_of_contribution(path, large)
    yield at_least(f"statistics of {counted:,} tokens, D = 2049, tokens/s against dense X'X", end_to_end, dense, 20.0)


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1].parent / "shared"
    parser.add_argument("--prompts", type=Path, default=beside / "data" / "train", help="a directory of prompt files")
    parser.add_argument("--embedder", default="builtin")
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    prompts = list(read_prompts(PromptSource(str(arguments.prompts))))
    with tempfile.TemporaryDirectory(prefix="ridgeway-bench-") as folder:
        path = Path(folder) / "corpus.jsonl"
        rows = measure(prompts, load_embedder(arguments.embedder), arguments.tokens, arguments.repeats, path)
        report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
