"""Accuracy under differential privacy: what it costs at several epsilons, dimensions, and ways to spend the budget.

Every domain is one owner, or as many as --owners says, which deal its prompts out among themselves. Neighbours replace
one prompt of one owner; row counts are public. Compared, on pooled rows:

  moments        each owner releases its moment with noise; the router comes from `solve_noisy`
  Gram, AdaSSP   each owner releases the whole triangle with noise; ridge regression with the ridge of AdaSSP
                 (Wang 2018)

The rows are those of the embedder, those whitened by the package's sample prompts (none of which is an owner's), random
projections of the latter, and the embedder's with columns of signs beside them, the whole scaled to length 1.
Rows of moments weigh 1, so noise is the same for every owner: each one's own suffices (local, what Ridgeway does), or
that of half of all survivors together, in every domain's column (distributed).
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pooled_attack import rows_of

from ridgeway import samples, triangle
from ridgeway.cli.comparison_run import Prompts, read_domains
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.layout import Layout
from ridgeway.manifest import PooledSettings
from ridgeway.noisy_moments import solve_noisy
from ridgeway.privacy.budget import affordable, deviation
from ridgeway.privacy.noise import noise_for
from ridgeway.privacy.sensitivity import moment_sensitivity
from ridgeway.privacy.whitened import WhitenedEmbedder
from ridgeway.ridge import prior_correction, ridge_regression

BITS = 20
UNIT = 2.0**-BITS

Rows = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Space:
    """Rows of every domain's prompts in one space, float64, n x D, ending in the bias; how many prompts are asked."""

    name: str
    train: Rows = field(repr=False)
    test: Rows = field(repr=False)
    asked: dict[str, int]

    @property
    def dimension(self) -> int:
        """D."""
        return int(next(iter(self.train.values())).shape[1])


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of the table.

    Attributes:
        release: what owners send.
        space: the rows.
        dimension: D.
        owners: of each domain.
        noise: local or distributed.
        epsilon: infinite for no noise.
        accuracy: balanced, the mean over repetitions.
        deviation: over repetitions.
    """

    release: str
    space: str
    dimension: int
    owners: int
    noise: str
    epsilon: float
    accuracy: float
    deviation: float


def balanced_accuracy(weights: npt.NDArray[np.float64], space: Space) -> float:
    """Share of each domain's prompts that go to it, averaged; prompts without a known token count as wrong."""
    right = [
        float(((rows @ weights).argmax(axis=1) == k).sum() / space.asked[domain])
        for k, (domain, rows) in enumerate(space.test.items())
    ]
    return float(np.mean(right))


def dealt(space: Space, owners: int) -> list[list[npt.NDArray[np.float64]]]:
    """Each domain's rows, dealt out to its owners."""
    return [[rows[i::owners] for i in range(owners)] for rows in space.train.values()]


def moments_router(
    space: Space, owners: int, distributed: bool, epsilon: float, delta: float
) -> npt.NDArray[np.float64]:
    """W from moments; as owners encode them, noise from the sampler that they use."""
    domains, layout = list(space.train.values()), Layout(space.dimension, BITS, moments_only=True)
    moments = np.array([rows.sum(axis=0) for rows in domains]).T
    masses = np.array([float(len(rows)) for rows in domains])
    if np.isinf(epsilon):
        return solve_noisy(moments, masses, np.zeros(len(domains))).weights
    needed, survivors = deviation(moment_sensitivity(layout), affordable(epsilon, delta)), len(domains) * owners
    sent = [share(needed, survivors)] * survivors if distributed else [needed] * owners
    for k, units in product(range(len(domains)), sent):
        moments[:-1, k] += noise_for(layout.dimension - 1, units) * UNIT
    deviations = np.full(len(domains), float(np.linalg.norm(sent)) * UNIT)
    return solve_noisy(moments, masses, deviations).weights


def share(units: float, survivors: int) -> float:
    """The deviation of one node's noise, so that that of half the survivors adds up to `units`."""
    return units / sqrt(ceil(survivors / 2))


def gram_sensitivity(rows: int) -> float:
    """Of the packed triangle of G / rows, in which everything off the diagonal stands once, before encoding.

    With c = u.v in [-1, 1] the squares of the differences add up to |u - v|^2 = 2 - 2 c in the bias column and to at
    most |uu' - vv'|^2 = 2 - 2 c^2 elsewhere, where the triangle's share is half of it off the diagonal and all of it on
    the diagonal; the worst is c = -1/2: 9/2. That is at most 6 % above the truth, since u = -v attains 2.
    """
    return sqrt(4.5) / rows


def gram_router(
    space: Space, owners: int, distributed: bool, epsilon: float, delta: float, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """W from Gram matrices by AdaSSP; a domain's moment is the last column of its own, so one release does for both.

    The smallest eigenvalue is read off the noisy matrix, which costs nothing. The noise's largest is about 2 s sqrt(D);
    the ridge is what the smallest lacks of it. Noise here is continuous, from a generator that is not private.
    """
    parts, dimension = dealt(space, owners), space.dimension
    survivors, grams, total_variance = len(parts) * owners, [], 0.0
    for domain in parts:
        gram = np.sum([part.T @ part / len(part) for part in domain], axis=0)
        if np.isfinite(epsilon):
            needed = [deviation(gram_sensitivity(len(part)), affordable(epsilon, delta)) for part in domain]
            sent = [share(max(needed), survivors)] * survivors if distributed else needed
            variance = float(np.square(sent).sum())
            noise = generator.normal(scale=np.sqrt(variance), size=triangle.length(dimension))
            noise[-1] = 0.0
            gram, total_variance = gram + triangle.unpack(noise, dimension), total_variance + variance
        grams.append(gram)
    a, b = np.sum(grams, axis=0), np.array([gram[:, -1] for gram in grams]).T
    ridge = max(0.005, 2 * np.sqrt(total_variance * dimension) - np.linalg.eigvalsh(a)[0])
    return prior_correction(ridge_regression(a, b, ridge), b / owners)


def spaces(train: Prompts, test: Prompts, embedder: Embedder, seed: int) -> Iterator[Space]:
    """The rows that are compared."""
    folder = Path(samples.__file__).parent
    made = [read_domains(folder / part, list(samples.DOMAINS)) for part in ("train", "test")]
    public = [text for part in made for texts in part.values() for text in texts]
    asked = {domain: len(texts) for domain, texts in test.items()}

    def space(name: str, source: Embedder, columns: int) -> Space:
        settings = PooledSettings(columns, seed)
        learned, tested = (
            {domain: bounded(rows_of(texts, source, settings)) for domain, texts in part.items()}
            for part in (train, test)
        )
        return Space(name, learned, tested, asked)

    white = space("whitened", WhitenedEmbedder(embedder, public), 0)
    for dimension in (64, 128, 256):
        if dimension < embedder.dimension:
            yield projected(white, dimension, seed)
    yield white
    yield space("as they are", embedder, 0)
    for columns in (128, 1024):
        yield space(f"and {columns} signs", embedder, columns)


def bounded(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows scaled to length 1 apart from the bias."""
    lengths = np.linalg.norm(rows[:, :-1], axis=1, keepdims=True)
    return np.hstack([rows[:, :-1] / np.where(lengths > 0, lengths, 1.0), rows[:, -1:]])


def projected(space: Space, dimension: int, seed: int) -> Space:
    """A random projection of a space's rows, to length 1 again."""
    shape = (space.dimension - 1, dimension)
    directions = np.linalg.qr(np.random.default_rng(seed).normal(size=shape))[0]

    def project(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return bounded(np.hstack([rows[:, :-1] @ directions, rows[:, -1:]]))

    learned, tested = ({domain: project(rows) for domain, rows in part.items()} for part in (space.train, space.test))
    return Space(f"{space.name}, projected", learned, tested, space.asked)


def measured(
    space: Space, epsilons: Sequence[float], delta: float, owners: int, repetitions: int, seed: int
) -> Iterator[Measured]:
    """Both releases on one space; Gram matrices of wide rows or many owners take long and say little."""
    generator = np.random.default_rng(seed)
    releases = ["moments"] if space.dimension > 400 or owners > 1 else ["moments", "Gram, AdaSSP"]
    for epsilon, distributed, release in product(epsilons, (False, True), releases):
        if np.isinf(epsilon) and distributed:
            continue
        noise = "none" if np.isinf(epsilon) else "distributed" if distributed else "local"
        found = []
        for _ in range(1 if np.isinf(epsilon) else repetitions):
            if release == "moments":
                weights = moments_router(space, owners, distributed, epsilon, delta)
            else:
                weights = gram_router(space, owners, distributed, epsilon, delta, generator)
            found.append(balanced_accuracy(weights, space))
        mean, spread = float(np.mean(found)), float(np.std(found))
        yield Measured(release, space.name, space.dimension, owners, noise, epsilon, mean, spread)


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="a directory with DOMAIN.jsonl")
    parser.add_argument("--test", type=Path, required=True, help="a directory with the same names, held out")
    parser.add_argument("--embedder", default="builtin")
    parser.add_argument("--epsilon", type=float, action="append", help="repeatable; by default none, 8, 3, 1 and 0.5")
    parser.add_argument("--delta", type=float, default=1e-6)
    parser.add_argument("--owners", type=int, default=1, help="of each domain")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of projections; the noise of moments has none")
    parser.add_argument("--json", action="store_true", help="one object a row")
    arguments = parser.parse_args()
    domains = sorted(path.stem for path in arguments.train.glob("*.jsonl"))
    learned, asked = read_domains(arguments.train, domains), read_domains(arguments.test, domains)
    epsilons = arguments.epsilon or [float("inf"), 8.0, 3.0, 1.0, 0.5]
    if not arguments.json:
        print(f"{'release':<14}{'rows':<22}{'D':>6}{'owners':>8}  {'noise':<12}{'epsilon':>8}{'accuracy':>10}{'±':>7}")
    for space in spaces(learned, asked, load_embedder(arguments.embedder), arguments.seed):
        for row in measured(space, epsilons, arguments.delta, arguments.owners, arguments.repetitions, arguments.seed):
            if arguments.json:
                print(json.dumps(asdict(row)), flush=True)
                continue
            print(
                f"{row.release:<14}{row.space:<22}{row.dimension:>6}{row.owners:>8}  {row.noise:<12}"
                f"{row.epsilon:>8g}{row.accuracy:>10.2%}{row.deviation:>7.2%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
