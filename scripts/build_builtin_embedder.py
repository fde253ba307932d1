"""Make the data of the built-in embedder from a model folder: int8 rows with a scale each, and the fingerprint.

    python scripts/build_builtin_embedder.py MODEL_FOLDER [--out FOLDER]

The same model gives the same bytes.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeway.embedder import fingerprint
from ridgeway.embedders.directory import find_embedding
from ridgeway.embedders.packaged import BUILTIN, FINGERPRINT_FILE, MATRIX_FILE, ROWS, SCALES
from ridgeway.embedders.safetensors_file import header_of, memory_map
from ridgeway.embedders.tokenizer_file import TOKENIZER_FILE, read_tokenizer_json

LARGEST_INT8 = 127
DATA = Path(__file__).parents[1] / "embedders" / BUILTIN


def quantise(matrix: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 by row: rows (V x d) and scales (V) with rows * scales about equal to the matrix."""
    wide = matrix.astype(np.float32)
    largest = np.abs(wide).max(axis=1)
    # A row of zeros stays one under any scale but 0.
    scales = np.where(largest > 0, largest / np.float32(LARGEST_INT8), np.float32(1)).astype(np.float32)
    return np.rint(wide / scales[:, None]).astype(np.int8), scales


def build(model: Path, out: Path) -> None:
    """Write matrix, tokeniser and fingerprint into a folder."""
    rows, scales = quantise(memory_map(*find_embedding(model)))
    tokenizer_json = read_tokenizer_json(model)
    header = header_of({ROWS: ("I8", rows.shape), SCALES: ("F32", scales.shape)})
    (out / MATRIX_FILE).write_bytes(header + rows.tobytes() + scales.astype("<f4").tobytes())
    (out / TOKENIZER_FILE).write_bytes(tokenizer_json)
    made = fingerprint(BUILTIN, tokenizer_json, rows, scales)
    (out / FINGERPRINT_FILE).write_text(json.dumps(asdict(made), indent=2, sort_keys=True) + "\n")
    print(made.describe())


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description="make the data of the built-in embedder from a model folder")
    parser.add_argument("model", type=Path, help="a folder with tokenizer.json and model.safetensors")
    parser.add_argument("--out", type=Path, default=DATA, help="where to write; the package's own folder by default")
    arguments = parser.parse_args()
    build(arguments.model, arguments.out)


if __name__ == "__main__":
    main()
