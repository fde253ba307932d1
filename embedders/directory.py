"""An embedder from a model folder: its tokeniser and, memory-mapped, the one tensor that matters."""

from pathlib import Path

from ridgeway.embedder import Embedder, EmbedderError, fingerprint
from ridgeway.embedders import fingerprint_cache
from ridgeway.embedders.checkpoint import SHARD_INDEX, embedding_name, is_tied, shard_of, weights_file
from ridgeway.embedders.safetensors_file import StoredTensor, check_tensor, memory_map, read_local_header
from ridgeway.embedders.tokenizer_file import parse_tokenizer, read_tokenizer_json


def load_directory(folder: Path, name: str, cache_dir: Path) -> Embedder:
    """The embedder in a model folder.

    Args:
        name: what its fingerprint is called.
        cache_dir: where fingerprints are kept.

    Raises:
        EmbedderError: the folder holds no embedder, or one that cannot be read safely.
    """
    weights, tensor = find_embedding(folder)
    tokenizer_json = read_tokenizer_json(folder)
    matrix = memory_map(weights, tensor)
    entry = fingerprint_cache.entry_path(cache_dir, tokenizer_json, weights, tensor)
    known = fingerprint_cache.recall(entry, name)
    if known is None:
        known = fingerprint(name, tokenizer_json, matrix)
        fingerprint_cache.remember(entry, known)
    return Embedder(parse_tokenizer(tokenizer_json, name), matrix, known)


def find_embedding(folder: Path) -> tuple[Path, StoredTensor]:
    """The file of a model folder that holds the token embeddings, and where in it they lie.

    Raises:
        EmbedderError: there is none, several, or one that cannot be read safely.
    """
    config = folder / "config.json"
    tied = config.is_file() and is_tied(config.read_bytes())
    file = weights_file([path.name for path in folder.iterdir() if path.is_file()], str(folder))
    if file == SHARD_INDEX:
        file = shard_of((folder / file).read_bytes(), str(folder), tied=tied)
    weights = folder / file
    if not weights.is_file():
        raise EmbedderError(f"{folder} lacks {file}, the shard with the token embeddings; download it too")
    header = read_local_header(weights)
    tensor = header[embedding_name(header, str(weights), tied=tied)]
    check_tensor(tensor, str(weights))
    return weights, tensor
