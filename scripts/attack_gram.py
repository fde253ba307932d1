"""What a curious coordinator learns about one owner: from its plain contribution, and from a masked round of four.

Under `tokens` a contribution is a Gram matrix over a public embedding, and a solver reads the token histogram off it.
After a masked round the coordinator holds the sum and four masked vectors; the same solver runs on these, and what it
says about any single owner is compared with what the sum alone suggests. Under `pooled`, and from the router, other
things leak; they are measured as well.

Four owners, one for each of four domains, with the first prompts of DIR/train/DOMAIN.jsonl; the prompts of DIR/test
stand for what an attacker has of its own.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gram_inversion import GramInversion, bordered
from masked_round import masked_round
from pooled_attack import likeness, moments_from, recognised, rows_of, tokens_by_likelihood
from sum_splitting import even_shares, split

from ridgeway import fixed_point, samples, triangle
from ridgeway.cli.comparison_run import Prompts, read_domains
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.manifest import FRACTION_BITS, POOLED_SOLVER, MassRule, PooledSettings
from ridgeway.ridge import solve
from ridgeway.statistics import DomainStatistics, TokenHistogram, encode_contribution, gram

OWNERS = 4
# A few times the rounding of four contributions of 36 fraction bits; the solver's own error is smaller.
PRECISION = 2.0**-31
# How many words a person would look at first.
FIRST = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One attack.

    Attributes:
        holds: what the coordinator holds.
        attack: what it does with it.
        measure: what the value is.
        value: a share or a cosine.
        seconds: it took.
    """

    holds: str
    attack: str
    measure: str
    value: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Owners:
    """Four owners' counts, int64, 4 x V, and numbers of rows, with what they contribute under a rule."""

    counts: npt.NDArray[np.int64] = field(repr=False)
    rows: tuple[int, ...]
    embedder: Embedder = field(repr=False)

    @classmethod
    def of(cls, prompts: Prompts, embedder: Embedder) -> "Owners":
        """One owner for each domain."""
        histograms = [TokenHistogram.empty(embedder) for _ in prompts]
        for histogram, texts in zip(histograms, prompts.values(), strict=True):
            histogram.add(embedder.encode_batch(texts))
        counts = np.array([histogram.counts for histogram in histograms])
        return cls(counts, tuple(histogram.rows for histogram in histograms), embedder)

    def contribution(self, owner: int, rule: MassRule) -> npt.NDArray[np.int64]:
        """What one of them sends when it masks nothing."""
        histogram = TokenHistogram(self.counts[owner], self.embedder.special_ids)
        return encode_contribution(gram(histogram, self.embedder), rule, FRACTION_BITS[rule])


def timed(holds: str, attack: str, started: float, **measured: float) -> Iterator[Finding]:
    """One finding for each measure."""
    seconds = time.perf_counter() - started
    yield from (Finding(holds, attack, name.replace("_", " "), value, seconds) for name, value in measured.items())


def judged(guess: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> dict[str, float]:
    """How well guessed counts (K x V) say what the owners' counts (K x V) are; means over the owners."""
    found = [((g > 0) & (t > 0)).sum() / (t > 0).sum() for g, t in zip(guess, truth, strict=True)]
    invented = [((g > 0) & (t == 0)).sum() / max(1, (g > 0).sum()) for g, t in zip(guess, truth, strict=True)]
    exact = [(g == t)[t > 0].mean() for g, t in zip(guess, truth, strict=True)]
    return {
        "tokens_found": float(np.mean(found)),
        "tokens_invented": float(np.mean(invented)),
        "counts_exact": float(np.mean(exact)),
    }


def matrix_of(vector: npt.NDArray[np.int64], dimension: int, rule: MassRule) -> npt.NDArray[np.float64]:
    """The Gram matrix that a vector, plain, masked or summed, stands for."""
    return triangle.unpack(fixed_point.decode(vector, FRACTION_BITS[rule]), dimension)


def attack_tokens(owners: Owners, seed: int) -> Iterator[Finding]:
    """The feature map `tokens`: one plain contribution, then masked rounds under both mass rules."""
    dimension = owners.embedder.dimension + 1
    started = time.perf_counter()
    solver = GramInversion(bordered(owners.embedder))
    plain = owners.contribution(0, MassRule.OWNER)
    found = solver.counts(matrix_of(plain, dimension, MassRule.OWNER) * owners.rows[0])
    guess = np.rint(found).astype(np.int64)
    yield from timed("a plain contribution", "the solver", started, **judged(guess[None], owners.counts[:1]))
    for rule in (MassRule.OWNER, MassRule.TOKENS):
        contributions = [owners.contribution(owner, rule) for owner in range(OWNERS)]
        round_ = masked_round(contributions, np.random.default_rng(seed).bytes)
        if rule is MassRule.OWNER:
            started = time.perf_counter()
            found = solver.counts(matrix_of(round_.masked[0], dimension, rule) * owners.rows[0])
            guess = np.rint(found).astype(np.int64)
            yield from timed("its masked vector", "the solver", started, **judged(guess[None], owners.counts[:1]))
        yield from attack_sum(owners, solver, matrix_of(round_.sum, dimension, rule), rule)


def attack_sum(
    owners: Owners, solver: GramInversion, total: npt.NDArray[np.float64], rule: MassRule
) -> Iterator[Finding]:
    """What a masked round's sum says about each of its owners."""
    started, holds = time.perf_counter(), f"a masked round's sum, --mass {rule}"
    counts, rows = owners.counts, np.array(owners.rows)
    if rule is MassRule.TOKENS:
        found = solver.counts(total)
        shares = np.rint(np.outer(rows / rows.sum(), found)).astype(np.int64)
        yield from timed(holds, "the solver, shares by size", started, **judged(shares, counts))
        return
    found = solver.counts(total, 1 / max(rows))
    everyone = (counts.sum(axis=0) > 0) == (found > 0)
    yield from timed(holds, "the solver", started, tokens_of_anybody_right=float(everyone.mean()))
    yield from timed(holds, "the solver, even shares", started, **judged(even_shares(found, owners.rows), counts))
    parts = split(found, owners.rows, PRECISION)
    yield from timed(holds, "the solver, split by row counts", started, **judged(parts, counts))


def travelled(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The Gram matrix of pooled rows as the coordinator decodes it."""
    sent = encode_contribution(
        DomainStatistics(rows.T @ rows, len(rows)), MassRule.OWNER, FRACTION_BITS[MassRule.OWNER]
    )
    return matrix_of(sent, rows.shape[1], MassRule.OWNER)


def attack_pooled(prompts: Prompts, others: Prompts, embedder: Embedder) -> Iterator[Finding]:
    """The feature map `pooled`: one plain contribution, and the sum of a round."""
    settings = PooledSettings()
    rows = [rows_of(texts, embedder, settings) for texts in prompts.values()]
    strangers = rows_of(list(chain.from_iterable(others.values())), embedder, settings)
    grams = [travelled(part) for part in rows]
    used = Owners.of(prompts, embedder).counts > 0
    for holds, matrix, present in (
        ("a plain pooled contribution", grams[0], rows[:1]),
        ("a masked round's sum, pooled", np.sum(grams, axis=0), rows),
    ):
        started, weight = time.perf_counter(), 1 / max(map(len, present))
        right = float(recognised(matrix, np.concatenate(present), weight).mean())
        wrong = float(recognised(matrix, strangers, weight).mean())
        yield from timed(holds, "guess a prompt", started, prompts_recognised=right, others_taken_for_them=wrong)
        started = time.perf_counter()
        order = tokens_by_likelihood(matrix, embedder, settings)
        best = float(used[0][order[:FIRST]].mean())
        as_many = float(used[0][order[: used[0].sum()]].mean())
        yield from timed(holds, "rank the tokens", started, of_the_first_100=best, of_as_many_as_occur=as_many)
    yield from attack_router(grams, rows, strangers)


def attack_router(
    grams: Sequence[npt.NDArray[np.float64]],
    rows: Sequence[npt.NDArray[np.float64]],
    strangers: npt.NDArray[np.float64],
) -> Iterator[Finding]:
    """The router's weights: with the sums, with the A of other prompts, and alone."""
    a, b, sizes = np.sum(grams, axis=0), np.array([g[-1] for g in grams]).T, [len(part) for part in rows]
    solution = solve(a, b, np.ones(len(sizes)), sizes, POOLED_SOLVER)
    elsewhere = strangers.T @ strangers * (len(sizes) / len(strangers))
    for holds, guess in (
        ("the router and A", moments_from(a, solution.weights, solution.ridge)),
        ("the router and A of other prompts", moments_from(elsewhere, solution.weights, solution.ridge)),
        ("the router", solution.weights),
    ):
        started = time.perf_counter()
        cosine = likeness(guess[:-1], b[:-1])
        yield from timed(holds, "the domains' mean rows", started, cosine_with_the_true_ones=cosine)


def read_prompts(folder: Path | None, most: int) -> tuple[Prompts, Prompts]:
    """The four owners' prompts, and those of the same domains that the attacker has of its own."""
    train, test = ((folder or Path(samples.__file__).parent) / split for split in ("train", "test"))
    preferred = ["math", "legal", "medical", "coding"]
    there = sorted(path.stem for path in train.glob("*.jsonl"))
    domains = sorted(there, key=lambda name: (name not in preferred, name))[:OWNERS]
    owned = {domain: texts[:most] for domain, texts in read_domains(train, domains).items()}
    mine = {part for texts in owned.values() for part in texts}
    others = read_domains(test, domains)
    return owned, {domain: [text for text in texts if text not in mine] for domain, texts in others.items()}


def main() -> None:
    """Parse the command line, attack, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=Path, help="a directory with train/DOMAIN.jsonl and test/DOMAIN.jsonl")
    parser.add_argument("--embedder", default="builtin")
    parser.add_argument("--count", type=int, default=200, help="prompts of each owner, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the masks")
    parser.add_argument("--json", action="store_true", help="one object a finding")
    arguments = parser.parse_args()
    embedder = load_embedder(arguments.embedder)
    owned, others = read_prompts(arguments.prompts, arguments.count)
    owners = Owners.of(owned, embedder)
    if not arguments.json:
        print(f"owners: {', '.join(owned)}; {sum(map(len, owned.values()))} prompts, {sum(owners.rows)} tokens")
        print(f"{'what the coordinator holds':<36}{'attack':<34}{'measure':<28}{'value':>8}{'s':>7}")
    for row in chain(attack_tokens(owners, arguments.seed), attack_pooled(owned, others, embedder)):
        if arguments.json:
            print(json.dumps(asdict(row)), flush=True)
        else:
            print(f"{row.holds:<36}{row.attack:<34}{row.measure:<28}{row.value:>8.4f}{row.seconds:>7.1f}", flush=True)


if __name__ == "__main__":
    main()
