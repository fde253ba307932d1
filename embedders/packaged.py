"""The built-in embedder: packaged data, int8 rows with a scale each (see builtin/NOTICE)."""

import json
from pathlib import Path

from ridgeway.embedder import Embedder, EmbedderFingerprint
from ridgeway.embedders.safetensors_file import memory_map, read_local_header
from ridgeway.embedders.tokenizer_file import TOKENIZER_FILE, parse_tokenizer

BUILTIN = "builtin"
FOLDER = Path(__file__).parent / BUILTIN
MATRIX_FILE = "embedding.safetensors"
FINGERPRINT_FILE = "fingerprint.json"
ROWS = "rows"
SCALES = "scales"


def load_builtin() -> Embedder:
    """The packaged embedder; its fingerprint was computed when it was made (scripts/build_builtin_embedder.py)."""
    tensors = read_local_header(FOLDER / MATRIX_FILE)
    rows = memory_map(FOLDER / MATRIX_FILE, tensors[ROWS])
    scales = memory_map(FOLDER / MATRIX_FILE, tensors[SCALES])
    fingerprint = EmbedderFingerprint(**json.loads((FOLDER / FINGERPRINT_FILE).read_bytes()))
    tokenizer = parse_tokenizer((FOLDER / TOKENIZER_FILE).read_bytes(), BUILTIN)
    return Embedder(tokenizer, rows, fingerprint, scales)
