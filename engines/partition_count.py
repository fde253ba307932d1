"""What a worker of a cluster does: count a partition, and merge what others counted.

Both are functions of their arguments alone, so that a task which is run again, because its worker has died, gives the
same; and what is merged is merged once, since a merge makes something new of its parts and changes none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ridgeway import __version__
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.engines.outcome import EngineError
from ridgeway.feature_map import Accumulator, accumulator
from ridgeway.hold_out import HeldOut, HoldOut
from ridgeway.manifest import Manifest
from ridgeway.node.prompts import BadPromptLine, ReadReport, batches
from ridgeway.node.prompts.partitions import Partition, read_partition
from ridgeway.node.prompts.reading import SKIPS_NAMED
from ridgeway.statistics import Sums


@dataclass(frozen=True, slots=True)
class Task:
    """What all partitions of one run have in common.

    Attributes:
        release: of whoever asks.
        manifest_json: the federation's.
        embedder: where a worker finds the embedder.
        hold_out: the share of prompts to hold out.
        hold_out_key: the node's secret; not shown, since Dask logs the arguments of what fails.
    """

    release: str
    manifest_json: str
    embedder: str
    hold_out: float
    hold_out_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Part:
    """What one or more partitions gave.

    Attributes:
        sums: of the rows.
        held: prompts held out.
        kept: those that are kept of them.
        prompts: prompts read.
        blank: entries that were empty.
        skipped: entries that were not what they should be.
        lines: of each partition, by its index.
        skips: the first skipped entries, each with its partition's index.
    """

    sums: Sums = field(repr=False)
    held: int
    kept: tuple[HeldOut, ...] = field(repr=False)
    prompts: int
    blank: int
    skipped: int
    lines: dict[int, int] = field(repr=False)
    skips: tuple[tuple[int, BadPromptLine], ...]


def count_partition(task: Task, partition: Partition) -> Part:
    """Count one partition. Blocks.

    Raises:
        BadPromptLine: an entry is bad and not to be skipped; its line is that of the partition.
        PromptError, EngineError, EmbedderError: the partition cannot be read, or the worker cannot count.
    """
    rows, hold_out, embedder = _empty(task)
    report = ReadReport()
    for batch in batches(read_partition(partition, report)):
        rows.add(hold_out.split(batch, embedder.encode_batch(batch)))
    skips = tuple((partition.index, skip) for skip in report.first_skips)
    lines = {partition.index: report.lines}
    return _part(rows, hold_out, report.prompts, report.blank, report.skipped, lines, skips)


def merge_parts(task: Task, parts: Sequence[Part]) -> Part:
    """One part of several."""
    rows, hold_out, _ = _empty(task)
    for part in parts:
        rows.merge(part.sums)
        hold_out.merge(part.held, part.kept)
    return _part(
        rows,
        hold_out,
        sum(part.prompts for part in parts),
        sum(part.blank for part in parts),
        sum(part.skipped for part in parts),
        {index: lines for part in parts for index, lines in part.lines.items()},
        tuple(sorted((skip for part in parts for skip in part.skips), key=lambda skip: (skip[0], skip[1].line))),
    )


def lines_of(part: Part) -> dict[int, int]:
    """The lines of a part's partitions, without anything else."""
    return part.lines


def _part(
    rows: Accumulator,
    hold_out: HoldOut,
    prompts: int,
    blank: int,
    skipped: int,
    lines: dict[int, int],
    skips: tuple[tuple[int, BadPromptLine], ...],
) -> Part:
    kept = tuple(hold_out.kept())
    return Part(rows.sums(), hold_out.held, kept, prompts, blank, skipped, lines, skips[:SKIPS_NAMED])


def _empty(task: Task) -> tuple[Accumulator, HoldOut, Embedder]:
    if task.release != __version__:
        raise EngineError(f"a worker runs ridgeway {__version__}, you {task.release}; install one release everywhere")
    manifest = Manifest.from_json(task.manifest_json.encode())
    embedder = _embedder(task.embedder)
    if not manifest.embedder.matches(embedder.fingerprint):
        raise EngineError(
            f"the federation computes with {manifest.embedder.describe()}, a worker has"
            f" {embedder.fingerprint.describe()}; put the federation's embedder on every worker"
        )
    return accumulator(manifest, embedder), HoldOut(task.hold_out_key, task.hold_out), embedder


@lru_cache(maxsize=1)
def _embedder(name: str) -> Embedder:
    """Loaded once in each worker process."""
    return load_embedder(name)
