"""One name, three places an embedder can come from: the package, a folder, a model hub."""

import os
import re
from pathlib import Path

from ridgeway.embedder import Embedder, EmbedderError
from ridgeway.embedders.checkpoint import PICKLE_SUFFIXES, refuse_pickle
from ridgeway.embedders.directory import load_directory
from ridgeway.embedders.packaged import BUILTIN, load_builtin
from ridgeway.embedders.progress import Progress, silent

# owner/model, or a model without an owner, as the hub names them.
_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def load_embedder(name: str, *, cache_dir: Path | None = None, progress: Progress | None = None) -> Embedder:
    """The embedder that a name stands for.

    Args:
        name: `builtin`, an existing model folder, or a Hugging Face model id.
        cache_dir: where downloaded embedders and fingerprints are kept; $XDG_CACHE_HOME/ridgeway by default.
        progress: told about every piece of a download.

    Raises:
        EmbedderError: there is no such embedder, or it cannot be read safely.
    """
    if name == BUILTIN:
        return load_builtin()
    cache = default_cache_dir() if cache_dir is None else cache_dir
    path = Path(name).expanduser()
    if name and path.is_dir():
        return load_directory(path, path.resolve().name, cache)
    if path.is_file():
        raise _refuse_file(path)
    if _MODEL_ID.fullmatch(name) is None:
        raise EmbedderError(f"there is no folder {name}; name a model folder, a model id like owner/model, or builtin")
    # Only here, because a node with a local embedder needs no HTTP client.
    from ridgeway.embedders.hub import fetch_model  # noqa: PLC0415

    return load_directory(fetch_model(name, cache, silent if progress is None else progress), name, cache)


def default_cache_dir() -> Path:
    """$XDG_CACHE_HOME/ridgeway, or ~/.cache/ridgeway."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ridgeway"


def _refuse_file(path: Path) -> EmbedderError:
    if path.suffix in PICKLE_SUFFIXES:
        return refuse_pickle([path.name], str(path.parent))
    return EmbedderError(f"{path} is a file; name the model folder {path.parent}, which has its tokeniser too")
