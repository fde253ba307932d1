"""The hold-outs on disk: token ids of the prompts that were kept out of each contribution, for trials of new routers.

They never leave the node; each file is readable by its owner only and named by the payload it was kept out of.
"""

import io
import zlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ridgeway.errors import RidgewayError
from ridgeway.runtime.data_dir import write_durably

_VERSION = 1
# What numpy and zipfile raise for a file that is no archive, or one that was damaged.
_DAMAGE = (
    AttributeError,
    BadZipFile,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    TokenError,
    TypeError,
    ValueError,
    zlib.error,
)


class HoldOutDamaged(RidgewayError):
    """A file of held-out prompts that cannot be read."""


class HoldOuts:
    """The files of one node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, payload: str, prompts: Sequence[Sequence[int]]) -> None:
        """Keep what was held out of a payload, in the place of what was there."""
        buffer = io.BytesIO()
        lengths = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        ids = np.fromiter(chain.from_iterable(prompts), dtype=np.int32, count=int(lengths.sum()))
        np.savez(buffer, version=np.int64(_VERSION), lengths=lengths, ids=ids)
        write_durably(self._folder / payload, buffer.getbuffer())

    def read(self, payload: str) -> list[list[int]]:
        """What was held out of a payload, as token ids; nothing if nothing was.

        Raises:
            HoldOutDamaged: the file is no hold-out, or one of a newer release.
        """
        path = self._folder / payload
        if not path.exists():
            return []
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                if int(stored["version"]) != _VERSION:
                    raise HoldOutDamaged(f"{path} was written by a newer release; upgrade ridgeway, or remove it")
                return _prompts(stored["ids"], stored["lengths"])
        except _DAMAGE as error:
            raise HoldOutDamaged(
                f"{path} is damaged, so that routers are not tried on it; remove it, and contribute the domain again"
            ) from error

    def keep_only(self, payloads: set[str]) -> None:
        """Remove the hold-outs of payloads that are gone."""
        for path in self._folder.iterdir():
            if path.name not in payloads:
                path.unlink(missing_ok=True)


def _prompts(ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int64]) -> list[list[int]]:
    if ids.dtype != np.int32 or lengths.dtype != np.int64 or ids.ndim != 1 or lengths.ndim != 1:
        raise ValueError("token ids and lengths are of another type")
    if (lengths < 0).any() or (lengths > ids.size).any() or lengths.sum() != ids.size:
        raise ValueError("the lengths are not those of the prompts")
    parts = np.split(ids, np.cumsum(lengths)[:-1]) if lengths.size else []
    return [part.tolist() for part in parts]
