"""Fingerprints already computed: hashing a matrix of gigabytes takes seconds, and it is needed at every start.

An entry is keyed by the tokeniser's bytes and by the weight file's path, inode, size and time of change, so that a
changed file is hashed anew. Nothing is written into the model's folder.
"""

import hashlib
import json
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import orjson

from ridgeway.embedder import EmbedderFingerprint
from ridgeway.embedders.safetensors_file import StoredTensor

# A few hundred bytes each; nobody works with more models than this at once.
MOST_ENTRIES = 64


def entry_path(cache_dir: Path, tokenizer_json: bytes, weights: Path, tensor: StoredTensor) -> Path:
    """Where the fingerprint of exactly these files is kept."""
    status = weights.stat()
    key = (
        hashlib.sha256(tokenizer_json).hexdigest(),
        str(weights.resolve()),
        *(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns),
        *(tensor.start, tensor.stop),
    )
    return cache_dir / "fingerprints" / f"{hashlib.sha256(repr(key).encode()).hexdigest()}.json"


def recall(entry: Path, name: str) -> EmbedderFingerprint | None:
    """A fingerprint kept earlier, under today's name; None if there is none to trust."""
    try:
        return EmbedderFingerprint(**(orjson.loads(entry.read_bytes()) | {"name": name}))
    except (OSError, ValueError, TypeError):
        return None


def remember(entry: Path, fingerprint: EmbedderFingerprint) -> None:
    """Keep a fingerprint; a folder that cannot be written costs time at the next start and nothing else."""
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=entry.parent, delete=False) as file:
            json.dump(asdict(fingerprint), file)
        Path(file.name).replace(entry)
        entries = sorted(entry.parent.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for old in entries[:-MOST_ENTRIES]:
            old.unlink()
