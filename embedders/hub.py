"""A model on the Hugging Face hub: only what an embedder needs of it is fetched, and kept as a small model folder.

A model is complete under models/ in the cache or not there at all: it is put together under incoming/ and renamed at
the end. The first revision fetched is the one kept; delete the folder to fetch anew.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

from ridgeway.embedder import EmbedderError
from ridgeway.embedders.checkpoint import SHARD_INDEX, SINGLE_FILE, embedding_name, is_tied, shard_of, weights_file
from ridgeway.embedders.progress import Progress, silent
from ridgeway.embedders.remote_file import TRANSPORT_ERRORS, stream_range
from ridgeway.embedders.safetensors_file import StoredTensor, check_tensor, header_of, read_header
from ridgeway.embedders.tokenizer_file import LEGACY_FILES, TOKENIZER_FILE, read_tokenizer_json

# Tokenisers and shard indices; the largest known tokenizer.json has 34 MB.
LARGEST_SMALL_FILE_BYTES = 256_000_000


class HubError(EmbedderError):
    """A model that cannot be fetched from the hub."""


@dataclass(frozen=True, slots=True)
class Repository:
    """One revision of a model on the hub.

    Attributes:
        commit: the revision; every request names it, so that all parts fit together.
        sizes: bytes of each file; None where the listing does not say.
    """

    model_id: str
    commit: str
    sizes: Mapping[str, int | None]

    def url(self, file: str) -> str:
        """Where a file is fetched from."""
        url: str = hf_hub_url(self.model_id, file, revision=self.commit)
        return url

    def size(self, file: str) -> int:
        """Bytes of a file, asked for if the listing did not say.

        Raises:
            HubError: the server does not know either.
        """
        size = self.sizes[file]
        if size is None:
            size = get_hf_file_metadata(self.url(file)).size
        if size is None:
            raise HubError(f"the server does not say how large {file} of {self.model_id} is; check HF_ENDPOINT")
        return size

    def pieces(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        """Bytes `start` up to `stop` of a file as they come in."""
        return stream_range(self.url(file), start, stop)

    def read(self, file: str, start: int, stop: int) -> bytes:
        """Bytes `start` up to `stop` of a file, or fewer at its end."""
        stop = min(stop, self.size(file))
        return b"".join(self.pieces(file, start, stop)) if start < stop else b""

    def read_small(self, file: str, progress: Progress) -> bytes:
        """A whole file.

        Raises:
            HubError: it is larger than any tokeniser or index.
        """
        size = self.size(file)
        if size > LARGEST_SMALL_FILE_BYTES:
            raise HubError(f"{file} of {self.model_id} has {size} bytes, far too many; do not use this model")
        data = bytearray()
        for piece in self.pieces(file, 0, size):
            data += piece
            progress(len(data), size, file)
        return bytes(data)


def fetch_model(model_id: str, cache_dir: Path, progress: Progress) -> Path:
    """The folder with a model's tokeniser and token embeddings, fetched unless it is there already.

    Raises:
        EmbedderError: the model cannot be reached, does not exist, or holds no embedder that can be read safely.
    """
    entry = model_id.replace("/", "--")
    folder = cache_dir / "models" / entry
    if folder.is_dir():
        return folder
    try:
        with _alone(cache_dir / "locks" / entry):
            if not folder.is_dir():
                _fetch_whole(model_id, cache_dir / "incoming" / entry, folder, progress)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise HubError(
            f"there is no folder {model_id}, and the hub has no such model or shows it only to some; "
            "check the spelling, or set HF_TOKEN"
        ) from error
    except TRANSPORT_ERRORS as error:
        raise HubError(
            f"fetching {model_id} failed ({type(error).__name__}); try again, or run "
            f'\'hf download {model_id} --include "*.json" "*.safetensors" --local-dir DIR\' where there is a network '
            "and name DIR instead"
        ) from error
    return folder


def _fetch_whole(model_id: str, incoming: Path, folder: Path, progress: Progress) -> None:
    shutil.rmtree(incoming, ignore_errors=True)
    for parent in (incoming, folder.parent):
        parent.mkdir(parents=True, exist_ok=True)
    try:
        repository = _open_repository(model_id)
        _fetch_embedding(repository, incoming / SINGLE_FILE, progress)
        _fetch_tokenizer(repository, incoming, progress)
        _sync(incoming)
        incoming.rename(folder)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _open_repository(model_id: str) -> Repository:
    try:
        info = HfApi().model_info(model_id, files_metadata=True)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise HubError(f"asked for {model_id}, the server did not answer as a hub does; check HF_ENDPOINT") from error
    return Repository(model_id, info.sha, {file.rfilename: file.size for file in info.siblings or []})


def _fetch_embedding(repository: Repository, target: Path, progress: Progress) -> None:
    """Write a safetensors file that holds the token embeddings and nothing else."""
    shard, tensor = _find_embedding(repository, progress)
    total = tensor.stop - tensor.start
    done = 0
    with target.open("wb") as file:
        file.write(header_of({tensor.name: (tensor.dtype, tensor.shape)}))
        for piece in repository.pieces(shard, tensor.start, tensor.stop):
            file.write(piece)
            done += len(piece)
            progress(done, total, shard)


def _find_embedding(repository: Repository, progress: Progress) -> tuple[str, StoredTensor]:
    model_id, sizes = repository.model_id, repository.sizes
    tied = "config.json" in sizes and is_tied(repository.read_small("config.json", silent))
    shard = weights_file(sizes.keys(), model_id)
    if shard == SHARD_INDEX:
        shard = shard_of(repository.read_small(SHARD_INDEX, progress), model_id, tied=tied)
    if shard not in sizes:
        raise HubError(f"{model_id} lacks its own {shard}; name another model")
    header = read_header(lambda start, stop: repository.read(shard, start, stop), f"{shard} of {model_id}")
    tensor = header[embedding_name(header, model_id, tied=tied)]
    check_tensor(tensor, model_id)
    if tensor.stop > repository.size(shard):
        raise HubError(f"{shard} of {model_id} ends inside {tensor.name}; name another model")
    return shard, tensor


def _fetch_tokenizer(repository: Repository, incoming: Path, progress: Progress) -> None:
    """Write tokenizer.json, converted from the older files if the model has none."""
    if TOKENIZER_FILE in repository.sizes:
        (incoming / TOKENIZER_FILE).write_bytes(repository.read_small(TOKENIZER_FILE, progress))
        return
    legacy = incoming / "legacy"
    legacy.mkdir()
    for file in LEGACY_FILES:
        if file in repository.sizes:
            (legacy / file).write_bytes(repository.read_small(file, progress))
    (incoming / TOKENIZER_FILE).write_bytes(read_tokenizer_json(legacy))
    shutil.rmtree(legacy)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, so that two of them do not fetch the same model at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(folder: Path) -> None:
    """Bring a folder's files to the disk before their folder is renamed, so that a power cut leaves no empty ones."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
