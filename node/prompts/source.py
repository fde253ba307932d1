"""Where prompts lie: a file, a glob, a directory, or standard input."""

import glob
import hashlib
from dataclasses import dataclass
from pathlib import Path

from ridgeway.node.prompts.errors import NoSuchPrompts

STANDARD_INPUT = "-"
# What follows names statistics that were brought to the node, by their content.
STATISTICS = "statistics:"
COMPRESSIONS = (".gz", ".zst")
FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt", ".text", ".md")


@dataclass(frozen=True, slots=True)
class PromptSource:
    """Where one domain's prompts lie and how to read them.

    Attributes:
        location: a file, a glob, a directory (read recursively), a URL, "-", or STATISTICS and a name.
        field: the column or dotted JSON path of the prompt; None finds it.
        skip_bad: count entries that are not what they should be instead of stopping.
    """

    location: str
    field: str | None = None
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file with prompts.

    Attributes:
        location: a path or a URL.
        size: in bytes, as it lies there.
    """

    location: str
    size: int


def is_url(location: str) -> bool:
    """Whether a location is in a storage of its own rather than a path."""
    return "://" in location


def format_of(path: Path | str) -> str | None:
    """The format that a file's name states, without its compression; None if it states none."""
    name = Path(path).name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return next((suffix for suffix in FORMATS if name.endswith(suffix)), None)


def files_of(source: PromptSource) -> list[Path]:
    """The files that a source names now, sorted; of a directory those of a known format that are not hidden.

    Raises:
        NoSuchPrompts: there is none.
    """
    path = Path(source.location).expanduser()
    if path.is_dir():
        found = sorted(
            file for file in path.rglob("*") if file.is_file() and format_of(file) and not _hidden(file, path)
        )
        if not found:
            raise NoSuchPrompts(f"{source.location} holds no file of a known format ({', '.join(FORMATS)})")
        return found
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.iglob(str(path), recursive=True) if Path(name).is_file())  # noqa: PTH207 - an absolute pattern
    if not found:
        raise NoSuchPrompts(f"{source.location} does not exist and matches nothing; check the path")
    return found


def source_fingerprint(source: PromptSource) -> str:
    """SHA-256 over path, size, time and inode of every file of a source: another one, and the prompts may have changed.

    Raises:
        NoSuchPrompts: it names no file.
    """
    digest = hashlib.sha256(repr((source.field, source.skip_bad)).encode())
    if source.location == STANDARD_INPUT:
        return digest.hexdigest()
    if source.location.startswith(STATISTICS):
        return hashlib.sha256(source.location.encode()).hexdigest()
    for path in files_of(source):
        status = path.stat()
        digest.update(repr((str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino)).encode())
    return digest.hexdigest()


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
