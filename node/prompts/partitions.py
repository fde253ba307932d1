"""Sources in partitions that can be read at the same time: files, and parts of large files of JSON Lines.

A part of a file is a range of bytes; what belongs to it are the lines that begin in it, so that every line belongs to
exactly one part, wherever the borders fall.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from ridgeway.node.prompts.formats import opened
from ridgeway.node.prompts.reading import ReadReport, prompt_files, read_stream
from ridgeway.node.prompts.source import PromptSource, StoredFile

# Half a minute of tokenising on one core: what is lost with a worker is soon made again.
PARTITION_BYTES = 64 * 1024 * 1024
_SKIP_BYTES = 1 << 20
_SPLITTABLE = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Partition:
    """One file, or a range of its bytes.

    Attributes:
        index: its place in the order in which everything would be read by one reader.
        source: how its file is read.
        file: which file.
        start: the first byte.
        stop: the byte behind the last.
    """

    index: int
    source: PromptSource
    file: StoredFile
    start: int
    stop: int

    @property
    def is_range(self) -> bool:
        """Whether this is only a part of its file."""
        return (self.start, self.stop) != (0, self.file.size)

    def line_in_file(self, line: int, lines_before: int) -> int:
        """The number in the file of a line of this partition.

        Args:
            line: as `read_partition` counts.
            lines_before: of the partitions before it in the same file.
        """
        return line + lines_before - (1 if self.start else 0)


def partitions(sources: Sequence[PromptSource], size_max: int = PARTITION_BYTES) -> list[Partition]:
    """All partitions of some sources, in order.

    Raises:
        PromptError: a source names no file, or cannot be looked at.
    """
    ranges = (
        (source, file, start, min(start + step, file.size))
        for source in sources
        for file in prompt_files(source)
        for step in [size_max if file.location.lower().endswith(_SPLITTABLE) else max(file.size, 1)]
        for start in range(0, max(file.size, 1), step)
    )
    return [Partition(index, *where) for index, where in enumerate(ranges)]


def before_in_file(divided: Sequence[Partition], partition: Partition) -> range:
    """The indices of the partitions before one in the same file."""
    first = partition.index
    while divided[first].start:
        first -= 1
    return range(first, partition.index)


def read_partition(partition: Partition, report: ReadReport) -> Iterator[str]:
    """Every prompt of a partition; a bad line is named by its number in the partition.

    Raises:
        PromptError: it cannot be read, or an entry is bad and not to be skipped.
    """
    location, source = partition.file.location, partition.source
    with opened(location) as stream:
        if not partition.is_range:
            yield from read_stream(stream, location, source, report)
            return
        lines = LineRange(stream, partition.start, partition.stop)
        yield from read_stream(cast(BinaryIO, lines), location, source, report)
        report.lines = lines.count


class LineRange:
    """The lines that begin in a range of a file's bytes, for a reader that asks line by line.

    In the place of the end of the line before, which belongs to another range, the reader gets a blank line.

    Attributes:
        count: lines given out, without the blank one.
    """

    def __init__(self, stream: BinaryIO, start: int, stop: int) -> None:
        self.count = 0
        self._stream = stream
        self._stop = stop
        self._blank = b"\n" if start else b""
        stream.seek(max(start - 1, 0))
        self._at = max(start - 1, 0)
        while start and (piece := stream.readline(_SKIP_BYTES)):
            self._at += len(piece)
            if piece.endswith(b"\n"):
                break

    def readline(self, limit: int) -> bytes:
        """The next line, or b"" behind the last."""
        blank, self._blank = self._blank, b""
        if blank or self._at >= self._stop:
            return blank
        line = self._stream.readline(limit)
        self._at += len(line)
        self.count += 1
        return line
