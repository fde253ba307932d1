"""A file with one domain's statistics, made on a machine without a network or on a cluster, for the owner's own node.

It holds the exact sums, before any encoding, mass or noise, so that the node makes of them what it would have made of
the prompts; and the token ids of the prompts that were held out. Both are private: they give the words away.

    "RWST" | version (uint16) | SHA-256 of the rest | length of the header (uint32) | header (JSON)
    | the sums (int64) | length of each held-out prompt (int64) | their token ids (int32)
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeway import triangle
from ridgeway.errors import RidgewayError
from ridgeway.exact_gram import FRACTION_BITS
from ridgeway.features import Features
from ridgeway.manifest import FeatureMap
from ridgeway.runtime.data_dir import write_durably
from ridgeway.statistics import Sums

MAGIC = b"RWST"
VERSION = 1
_PREFIX = struct.Struct("<4sH32s")
_LENGTH = struct.Struct("<I")


class BadStatisticsFile(RidgewayError):
    """A file that holds no statistics that can be used."""


@dataclass(frozen=True, slots=True)
class DomainSums:
    """Everything that counting one domain's prompts gave.

    Attributes:
        domain: what the prompts are about.
        features: how they became rows.
        sums: of the rows.
        hold_out: the prompts kept out of the sums, as token ids.
        prompts: prompts read, those held out among them.
        blank: entries that were empty.
        skipped: entries that were not what they should be.
    """

    domain: str
    features: Features
    sums: Sums
    hold_out: Sequence[Sequence[int]] = field(repr=False)
    prompts: int
    blank: int
    skipped: int

    def to_bytes(self) -> bytes:
        """The whole file; equal statistics make equal bytes."""
        lengths = np.array([len(ids) for ids in self.hold_out], dtype="<i8")
        ids = np.fromiter(chain.from_iterable(self.hold_out), dtype="<i4", count=int(lengths.sum()))
        document = {
            "domain": self.domain,
            "features": self.features.to_document(),
            "rows": self.sums.rows,
            "prompts": self.prompts,
            "blank": self.blank,
            "skipped": self.skipped,
            "hold_out": {"prompts": int(lengths.size), "tokens": int(ids.size)},
        }
        header = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        numbers = self.sums.numbers.astype("<i8", copy=False)
        body = b"".join(
            (_LENGTH.pack(len(header)), header, numbers.tobytes(), lengths.tobytes(), ids.tobytes()),
        )
        return _PREFIX.pack(MAGIC, VERSION, hashlib.sha256(body).digest()) + body

    def write(self, path: Path) -> None:
        """Replace a file durably; mode 0600."""
        write_durably(path, self.to_bytes())

    @classmethod
    def read(cls, path: Path) -> "DomainSums":
        """Read and check a file.

        Raises:
            BadStatisticsFile: it cannot be read, is damaged, of a newer release, or something else.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadStatisticsFile(f"{path} cannot be read ({error.strerror}); check its name") from error
        try:
            return cls.from_bytes(data)
        except BadStatisticsFile as error:
            raise BadStatisticsFile(f"{path} {error}") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> "DomainSums":
        """Read what `to_bytes` made.

        Raises:
            BadStatisticsFile: it is something else; the sentence lacks the file's name.
        """
        if len(data) < _PREFIX.size or not data.startswith(MAGIC):
            raise BadStatisticsFile("holds no statistics; make them with `ridgeway statistics PATH... -o FILE`")
        _, version, digest = _PREFIX.unpack_from(data)
        if version != VERSION:
            raise BadStatisticsFile(
                f"has format {version}, this release reads {VERSION}; use one release on both sides"
            )
        body = memoryview(data)[_PREFIX.size :]
        if hashlib.sha256(body).digest() != digest:
            raise BadStatisticsFile("is damaged or cut off; copy it again")
        try:
            return _parsed(body)
        except (RidgewayError, KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
            raise BadStatisticsFile("has parts that do not fit together; compute the statistics again") from error


def _parsed(body: memoryview) -> DomainSums:
    (length,) = _LENGTH.unpack_from(body)
    document: dict[str, Any] = json.loads(bytes(body[_LENGTH.size : _LENGTH.size + length]))
    features = Features.from_document(document["features"])
    shape = _shape(features)
    held, tokens = int(document["hold_out"]["prompts"]), int(document["hold_out"]["tokens"])
    rest = body[_LENGTH.size + length :]
    split = np.cumsum([0, 8 * int(np.prod(shape)), 8 * held, 4 * tokens])
    if len(rest) != split[-1] or min(held, tokens) < 0:
        raise ValueError("the length is not what the header says")
    parts = [rest[start:stop] for start, stop in pairwise(split)]
    numbers = np.frombuffer(parts[0], dtype="<i8").astype(np.int64).reshape(shape)
    lengths, ids = np.frombuffer(parts[1], dtype="<i8"), np.frombuffer(parts[2], dtype="<i4")
    sums = Sums(numbers, int(document["rows"]))
    _check(features, sums, lengths, ids)
    prompts = np.split(ids, np.cumsum(lengths)[:-1]) if held else []
    counts = (int(document[name]) for name in ("prompts", "blank", "skipped"))
    return DomainSums(str(document["domain"]), features, sums, [part.tolist() for part in prompts], *counts)


def _shape(features: Features) -> tuple[int, ...]:
    if features.feature_map is FeatureMap.TOKENS:
        return (features.embedder.vocabulary_size,)
    return (2, triangle.length(features.dimension))


def _check(features: Features, sums: Sums, lengths: npt.NDArray[np.int64], ids: npt.NDArray[np.int32]) -> None:
    """Raises ValueError for numbers that no counting gives."""
    if features.feature_map is FeatureMap.TOKENS:
        honest = sums.numbers.min() >= 0 and sums.numbers.sum() == sums.rows
    else:
        fraction = sums.numbers[1]
        honest = fraction.min() >= 0 and fraction.max() < 1 << FRACTION_BITS and sums.numbers[0, -1] == sums.rows
    if not honest or sums.rows < 1:
        raise ValueError("the sums do not fit the number of rows")
    inside = ids.size == 0 or (ids.min() >= 0 and ids.max() < features.embedder.vocabulary_size)
    if (lengths.size and lengths.min() < 0) or lengths.sum() != ids.size or not inside:
        raise ValueError("the prompts held out are no token ids")
