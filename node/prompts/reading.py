"""Prompts of a source, one after another; memory does not grow with the corpus."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ridgeway.node.prompts.errors import BadPromptLine
from ridgeway.node.prompts.fields import NoPrompt
from ridgeway.node.prompts.formats import opened, reader_for
from ridgeway.node.prompts.source import STANDARD_INPUT, PromptSource, files_of

# How many skipped entries a report names.
SKIPS_NAMED = 10


@dataclass(slots=True)
class ReadReport:
    """How far reading has come, for a progress bar and for --skip-bad.

    Attributes:
        files: files begun.
        prompts: prompts given out.
        blank: entries with nothing but white space, which are no prompts.
        skipped: entries that were not what they should be.
        bytes_done: bytes of the files that are read whole.
        bytes_total: bytes of all files; None for standard input.
        first_skips: the first skipped entries, without their content.
    """

    files: int = 0
    prompts: int = 0
    blank: int = 0
    skipped: int = 0
    bytes_done: int = 0
    bytes_total: int | None = None
    first_skips: list[str] = field(default_factory=list)


def read_prompts(source: PromptSource, *, report: ReadReport | None = None) -> Iterator[str]:
    """Every prompt of a source.

    Raises:
        PromptError: there is no file, one cannot be read, or an entry is bad and not to be skipped.
    """
    kept = report if report is not None else ReadReport()
    paths = [Path(STANDARD_INPUT)] if source.location == STANDARD_INPUT else files_of(source)
    if source.location != STANDARD_INPUT:
        kept.bytes_total = sum(path.stat().st_size for path in paths)
    for path in paths:
        kept.files += 1
        yield from _read_file(path, source, kept)
        if kept.bytes_total is not None:
            kept.bytes_done += path.stat().st_size


def _read_file(path: Path, source: PromptSource, report: ReadReport) -> Iterator[str]:
    read = reader_for(path)
    with opened(str(path)) as stream:
        for number, entry in read(stream, source.field):
            if isinstance(entry, NoPrompt):
                _skip(BadPromptLine(str(path), number, str(entry)), source, report)
            elif not entry or entry.isspace():
                report.blank += 1
            else:
                report.prompts += 1
                yield entry


def _skip(problem: BadPromptLine, source: PromptSource, report: ReadReport) -> None:
    if not source.skip_bad:
        raise problem
    report.skipped += 1
    if len(report.first_skips) < SKIPS_NAMED:
        report.first_skips.append(f"{problem.location}:{problem.line}: {problem.problem}")
