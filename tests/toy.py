"""A toy embedder: forty words, six dimensions, made from a seed."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from ridgeway.embedder import Embedder, fingerprint

WORDS = [f"w{i}" for i in range(36)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def tokenizer_json() -> bytes:
    """A word-level tokeniser with BERT's special tokens."""
    added = [
        {
            "id": i,
            "content": c,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for i, c in enumerate(SPECIAL)
    ]
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    return json.dumps(document).encode()


def toy_matrix(seed: int = 0, dimension: int = 6) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Rows for the toy vocabulary, float32; a few are equal, so that ties happen."""
    matrix = np.random.default_rng(seed).normal(size=(len(SPECIAL) + len(WORDS), dimension)).astype(np.float32)
    matrix[10:14] = matrix[9]
    return matrix


def toy_embedder(seed: int = 0, dimension: int = 6) -> Embedder:
    """The toy embedder in memory."""
    matrix, document = toy_matrix(seed, dimension), tokenizer_json()
    return Embedder(Tokenizer.from_str(document.decode()), matrix, fingerprint("toy", document, matrix))


def write_toy_embedder(folder: Path, seed: int = 0, dimension: int = 6) -> Path:
    """The toy embedder as a model directory."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes(tokenizer_json())
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    save_file({"embeddings.word_embeddings.weight": toy_matrix(seed, dimension)}, folder / "model.safetensors")
    return folder
