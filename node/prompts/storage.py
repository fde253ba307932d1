"""Files in whatever storage fsspec knows: object stores, archives, other machines. What it costs is a URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from ridgeway.node.prompts.errors import MissingExtra, NoSuchPrompts, UnreadableFile
from ridgeway.node.prompts.source import FORMATS, StoredFile, format_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def stored_files(url: str) -> list[StoredFile]:
    """The files that a URL names, sorted: itself, those that match it, or of a directory those of a known format.

    Raises:
        NoSuchPrompts: there is none, or no such storage.
        MissingExtra: the storage needs a package that is not installed.
        UnreadableFile: the storage does not answer.
    """
    with _translated(url):
        storage, path = _storage(url)
        if storage.isfile(path):
            return [StoredFile(url, int(storage.info(path)["size"]))]
        whole = storage.isdir(path)
        entries = storage.find(path, detail=True) if whole else storage.glob(path, detail=True)
        names = sorted(name for name, entry in entries.items() if entry["type"] == "file")
        if whole:
            names = [name for name in names if format_of(name) and not _hidden(name.removeprefix(path))]
        files = [StoredFile(storage.unstrip_protocol(name), int(entries[name]["size"])) for name in names]
    if not files:
        raise NoSuchPrompts(f"{url} names no file of a known format ({', '.join(FORMATS)}); check it")
    return files


@contextmanager
def opened_url(url: str) -> Iterator[BinaryIO]:
    """A file's bytes as they lie there.

    Raises:
        NoSuchPrompts, MissingExtra, UnreadableFile: it cannot be opened.
    """
    with _translated(url):
        storage, path = _storage(url)
        stream = cast(BinaryIO, storage.open(path, "rb"))
    with stream:
        yield stream


def _storage(url: str) -> "tuple[AbstractFileSystem, str]":
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("reading from a URL needs fsspec; run pip install 'ridgeway[dask]'") from error
    storage, path = url_to_fs(url)
    return storage, cast(str, path)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtra(f"{url} needs a package for its storage: {error}") from error
    except FileNotFoundError as error:
        raise NoSuchPrompts(f"{url} does not exist; check it") from error
    except ValueError as error:
        raise NoSuchPrompts(f"{url} names no storage that fsspec knows ({error}); check it") from error
    except OSError as error:
        raise UnreadableFile(f"{url} cannot be read ({type(error).__name__}); check address and credentials") from error


def _hidden(below: str) -> bool:
    return any(part.startswith(".") for part in below.split("/"))
