"""The safetensors format, as far as one tensor needs it: header, memory map of one tensor, header of a new file.

Own code, since the safetensors library maps and checks whole files: it can neither read a byte range of a remote file
nor write one tensor as it streams in. Format: huggingface.co/docs/safetensors, section "Format".
"""

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import orjson

from ridgeway.embedder import EmbedderError

# The safetensors library's own limit on a header.
LARGEST_HEADER_BYTES = 100_000_000

DTYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype("<f4"),
    "I8": np.dtype("i1"),
}

# What a model's embedding may be stored in; int8 means nothing without the scales that only our own file has.
FLOATS = ("F16", "BF16", "F32")

ReadRange = Callable[[int, int], bytes]
"""Bytes of a file from `start` up to `stop`, or fewer at its end."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor lies in its file.

    Attributes:
        dtype: the format's name, such as BF16.
        start, stop: absolute byte offsets in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read_header(read: ReadRange, where: str) -> dict[str, StoredTensor]:
    """The tensors of a file by name, without reading any of them.

    Raises:
        EmbedderError: the header is not that of a safetensors file.
    """
    prefix = read(0, 8)
    length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
    if not 2 <= length <= LARGEST_HEADER_BYTES:
        raise EmbedderError(f"{where} is not a safetensors file; download it again")
    try:
        document = orjson.loads(read(8, 8 + length))
        return {
            name: _stored_tensor(name, entry, 8 + length) for name, entry in document.items() if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbedderError(f"{where} has a damaged safetensors header; download it again") from error


def _stored_tensor(name: str, entry: Mapping[str, Any], base: int) -> StoredTensor:
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)) or begin > end:
        raise ValueError(name)
    return StoredTensor(name, str(entry["dtype"]), shape, base + begin, base + end)


def check_tensor(tensor: StoredTensor, where: str) -> None:
    """An embedding matrix has two dimensions, a known type, and as many bytes as both ask for.

    Raises:
        EmbedderError: it is not so.
    """
    if tensor.dtype not in FLOATS:
        raise EmbedderError(
            f"{tensor.name} in {where} has type {tensor.dtype[:40]}; convert it to one of {', '.join(FLOATS)}"
        )
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise EmbedderError(f"{tensor.name} in {where} has {len(tensor.shape)} dimensions, not V x d; name another")
    if math.prod(tensor.shape) * DTYPES[tensor.dtype].itemsize != tensor.stop - tensor.start:
        raise EmbedderError(f"the header of {where} contradicts itself about {tensor.name}; download it again")


def read_local_header(path: Path) -> dict[str, StoredTensor]:
    """`read_header` of a local file.

    Raises:
        EmbedderError: as `read_header`.
    """

    def read(start: int, stop: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    return read_header(read, str(path))


def memory_map(path: Path, tensor: StoredTensor) -> npt.NDArray[Any]:
    """One tensor of a file, mapped read-only: nothing is read until it is used, and nothing else ever.

    Raises:
        EmbedderError: the file ends before the tensor does.
    """
    if path.stat().st_size < tensor.stop:
        raise EmbedderError(f"{path} ends inside {tensor.name}; its download was cut off, so download it again")
    mapped = np.memmap(path, dtype=DTYPES[tensor.dtype], mode="r", offset=tensor.start, shape=tensor.shape)
    return np.asarray(mapped)


def header_of(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """The bytes before the data of a new file that holds these tensors (type and shape) in this order."""
    document: dict[str, Any] = {}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        end = offset + math.prod(shape) * DTYPES[dtype].itemsize
        document[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(document, separators=(",", ":")).encode()
    # Padded as the library does, so that the data starts at a multiple of 8.
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
