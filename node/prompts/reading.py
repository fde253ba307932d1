"""Prompts of a source, one after another; memory does not grow with the corpus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from ridgeway.node.prompts.errors import BadPromptLine
from ridgeway.node.prompts.fields import NoPrompt
from ridgeway.node.prompts.formats import opened, reader_for
from ridgeway.node.prompts.source import STANDARD_INPUT, PromptSource, StoredFile, files_of, is_url
from ridgeway.node.prompts.storage import stored_files

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
        lines: lines of a part of a file, if that is what is read, once it is read.
        first_skips: the first skipped entries, without their content.
    """

    files: int = 0
    prompts: int = 0
    blank: int = 0
    skipped: int = 0
    bytes_done: int = 0
    bytes_total: int | None = None
    lines: int = 0
    first_skips: list[BadPromptLine] = field(default_factory=list)


def read_prompts(source: PromptSource, *, report: ReadReport | None = None) -> Iterator[str]:
    """Every prompt of a source.

    Raises:
        PromptError: there is no file, one cannot be read, or an entry is bad and not to be skipped.
    """
    yield from read_all([source], report if report is not None else ReadReport())


def read_all(sources: Sequence[PromptSource], report: ReadReport) -> Iterator[str]:
    """Every prompt of some sources, one after another.

    Raises:
        PromptError: as of `read_prompts`.
    """
    listed = [(source, prompt_files(source)) for source in sources]
    if not any(source.location == STANDARD_INPUT for source in sources):
        report.bytes_total = sum(file.size for _, files in listed for file in files)
    for source, files in listed:
        for file in files:
            report.files += 1
            with opened(file.location) as stream:
                yield from read_stream(stream, file.location, source, report)
            report.bytes_done += file.size


def prompt_files(source: PromptSource) -> list[StoredFile]:
    """The files that a source names now, sorted, whatever storage they are in.

    Raises:
        PromptError: there is none, or their storage cannot be looked at.
    """
    if source.location == STANDARD_INPUT:
        return [StoredFile(STANDARD_INPUT, 0)]
    if is_url(source.location):
        return stored_files(source.location)
    return [StoredFile(str(path), path.stat().st_size) for path in files_of(source)]


def read_stream(stream: BinaryIO, location: str, source: PromptSource, report: ReadReport) -> Iterator[str]:
    """Every prompt of one file that is open.

    Raises:
        PromptError: it cannot be read, or an entry is bad and not to be skipped.
    """
    for number, entry in reader_for(location)(stream, source.field):
        if isinstance(entry, NoPrompt):
            _skip(BadPromptLine(location, number, str(entry)), source, report)
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
        report.first_skips.append(problem)
