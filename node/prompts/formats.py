"""Each format as a stream of numbered entries. Nothing here holds more than a line, or a batch of Parquet rows."""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

import orjson
import zstandard

from ridgeway.node.prompts.errors import BadPromptLine, MissingExtra, UnknownFormat, UnreadableFile
from ridgeway.node.prompts.fields import FIELDS, NoPrompt, prompt_of
from ridgeway.node.prompts.source import STANDARD_INPUT, format_of, is_url
from ridgeway.node.prompts.storage import opened_url

if TYPE_CHECKING:
    import _csv

# A line longer than this is no prompt but a file in a wrong format; reading it whole would fill the memory.
LINE_BYTES_MAX = 64 * 1024 * 1024
# A JSON array is parsed whole, so it may only be so large.
ARRAY_BYTES_MAX = 512 * 1024 * 1024
PARQUET_BATCH_ROWS = 1024

# A number and either the prompt or what is wrong with the entry.
Entry = tuple[int, str | NoPrompt]
Reader = Callable[[BinaryIO, str | None], Iterator[Entry]]


@contextmanager
def opened(location: str) -> Iterator[BinaryIO]:
    """A file's bytes, unpacked.

    Raises:
        UnreadableFile: it cannot be opened, or its compression is damaged.
    """
    try:
        if location == STANDARD_INPUT:
            yield sys.stdin.buffer
            return
        with opened_url(location) if is_url(location) else Path(location).open("rb") as raw:
            if location.endswith(".gz"):
                yield cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20))
            elif location.endswith(".zst"):
                reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
                yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader), 1 << 20))
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise UnreadableFile(f"{location} is damaged or cut off; copy it again") from error
    except OSError as error:
        raise UnreadableFile(f"{location} cannot be read ({error.strerror}); check its permissions") from error


def reader_for(path: str) -> Reader:
    """How to read a file, by its name.

    Raises:
        UnknownFormat: the name says nothing.
    """
    if path == STANDARD_INPUT:
        return json_lines
    kind = format_of(path)
    if kind is None:
        raise UnknownFormat(f"{path} has no suffix that says its format; rename it to .jsonl, .csv, .txt or .parquet")
    return _READERS[kind]


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their ends; a byte-order mark is skipped.

    Raises:
        BadPromptLine: a line is beyond the limit.
    """
    for number, line in enumerate(iter(lambda: stream.readline(LINE_BYTES_MAX + 1), b""), 1):
        if len(line) > LINE_BYTES_MAX:
            raise BadPromptLine("input", number, f"the line is longer than {LINE_BYTES_MAX >> 20} MiB")
        yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def json_lines(stream: BinaryIO, field: str | None) -> Iterator[Entry]:
    """One JSON value a line."""
    for number, line in lines(stream):
        if line.isspace():
            continue
        try:
            yield number, prompt_of(orjson.loads(line), field)
        except orjson.JSONDecodeError:
            yield number, NoPrompt("it is not JSON in UTF-8")
        except NoPrompt as problem:
            yield number, problem


def json_document(stream: BinaryIO, field: str | None) -> Iterator[Entry]:
    """An array of entries, or one entry a line after all."""
    buffered = io.BufferedReader(cast(io.RawIOBase, stream)) if not hasattr(stream, "peek") else stream
    head = cast(io.BufferedReader, buffered).peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(b"["):
        yield from json_lines(buffered, field)
        return
    data = buffered.read(ARRAY_BYTES_MAX + 1)
    if len(data) > ARRAY_BYTES_MAX:
        yield 1, NoPrompt(f"the array is larger than {ARRAY_BYTES_MAX >> 20} MiB; convert it to JSON Lines")
        return
    try:
        entries = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        yield 1, NoPrompt("the file is not JSON in UTF-8")
        return
    for number, entry in enumerate(entries, 1):
        try:
            yield number, prompt_of(entry, field)
        except NoPrompt as problem:
            yield number, problem


def plain_text(stream: BinaryIO, _: str | None) -> Iterator[Entry]:
    """One prompt a line."""
    for number, line in lines(stream):
        try:
            yield number, line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            yield number, NoPrompt("it is not UTF-8")


def comma_separated(stream: BinaryIO, field: str | None, delimiter: str = ",") -> Iterator[Entry]:
    """CSV with a header; the prompt is one column."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    csv.field_size_limit(LINE_BYTES_MAX)
    try:
        yield from _csv_entries(csv.reader(text, delimiter=delimiter, strict=True), field)
    finally:
        text.detach()


def _csv_entries(rows: "_csv.Reader", field: str | None) -> Iterator[Entry]:
    header = next(rows, [])
    column = next((header.index(name) for name in ((field,) if field else FIELDS) if name in header), None)
    if column is None:
        wanted = repr(field) if field else ", ".join(FIELDS)
        yield 1, NoPrompt(f"the header has no column {wanted}; name it with --field")
        return
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield rows.line_num, NoPrompt("it is not CSV")
            continue
        if row:
            yield rows.line_num, _cell(row, column, len(header))


def _cell(row: list[str], column: int, width: int) -> str | NoPrompt:
    if len(row) != width:
        return NoPrompt(f"it has {len(row)} columns, the header {width}")
    if not row[column].isascii() and any("\ud800" <= character <= "\udfff" for character in row[column]):
        return NoPrompt("it is not UTF-8")
    return row[column]


def tab_separated(stream: BinaryIO, field: str | None) -> Iterator[Entry]:
    """TSV with a header."""
    return comma_separated(stream, field, delimiter="\t")


def parquet(stream: BinaryIO, field: str | None) -> Iterator[Entry]:
    """One column of a Parquet file, a batch of rows at a time.

    Raises:
        MissingExtra: pyarrow is not installed.
        UnreadableFile: it is no Parquet file.
    """
    try:
        from pyarrow import ArrowInvalid  # noqa: PLC0415 - an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("reading Parquet needs pyarrow; run pip install 'ridgeway[parquet]'") from error
    try:
        file = ParquetFile(cast(IO[bytes], stream))
    except ArrowInvalid as error:
        raise UnreadableFile("the file is no Parquet file, or cut off; copy it again") from error
    names = file.schema_arrow.names
    column = next((name for name in ((field,) if field else (*FIELDS, "messages")) if name in names), None)
    if column is None:
        yield 1, NoPrompt(f"there is no column {field or ', '.join(FIELDS)}; name it with --field")
        return
    number = 0
    for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS, columns=[column]):
        for value in batch.column(0).to_pylist():
            number += 1
            try:
                yield number, prompt_of({column: value}, column if column != "messages" or field else None)
            except NoPrompt as problem:
                yield number, problem


_READERS: dict[str, Reader] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".json": json_document,
    ".csv": comma_separated,
    ".tsv": tab_separated,
    ".parquet": parquet,
    ".txt": plain_text,
    ".text": plain_text,
    ".md": plain_text,
}
