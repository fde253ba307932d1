"""An embedder: a public model's tokeniser and embedding matrix; the model itself never runs.

The matrix may stay compact (float16, bfloat16, int8 with a scale for each row) and on disk (a memory map); rows are
widened to float32 only as they are used.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer
from tokenizers.models import Unigram

from ridgeway.errors import RidgewayError

_TOKENIZER_LABEL = b"ridgeway/v1/tokenizer"
_MATRIX_LABEL = b"ridgeway/v1/matrix"
# Rows widened at a time: 4,096 x 4,096 floats are 67 MB.
_BLOCK_ROWS = 4096


class EmbedderError(RidgewayError):
    """A tokeniser and a matrix that do not make an embedder."""


class UnreadablePrompt(EmbedderError):
    """A prompt that is no text, so that no tokeniser can read it."""


@dataclass(frozen=True, slots=True)
class EmbedderFingerprint:
    """What two owners must share: the same tokeniser and the same matrix.

    Attributes:
        name: what people call it; not compared.
        tokenizer_sha256: hex, over the tokeniser's canonical JSON without truncation and padding.
        matrix_sha256: hex, over shape and rows as little-endian float32, whatever type they are stored in.
        vocabulary_size: V.
        dimension: d.
    """

    name: str
    tokenizer_sha256: str
    matrix_sha256: str
    vocabulary_size: int
    dimension: int

    def matches(self, other: "EmbedderFingerprint") -> bool:
        """Whether both make the same rows of the same prompts: all but the name is equal."""
        return replace(self, name=other.name) == other

    def describe(self) -> str:
        """The name with both hashes shortened, for a person who compares two."""
        return (
            f"{self.name} ({self.vocabulary_size} x {self.dimension}, "
            f"tokeniser {self.tokenizer_sha256[:12]}, matrix {self.matrix_sha256[:12]})"
        )


class Embedder:
    """Tokeniser and embedding matrix E (V x d).

    Args:
        tokenizer: truncation and padding are switched off on it.
        matrix: V x d; float32, float16, bfloat16, or int8 with scales.
        scales: float, one for each row of an int8 matrix.
        fingerprint: of exactly these; see `fingerprint`.

    Raises:
        EmbedderError: the tokeniser has ids that the matrix has no row for, or the shapes are off.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        matrix: npt.NDArray[Any],
        fingerprint: EmbedderFingerprint,
        scales: npt.NDArray[Any] | None = None,
    ) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        check_shapes(tokenizer, matrix, scales)
        self.tokenizer = tokenizer
        self.fingerprint = fingerprint
        self.vocabulary_size, self.dimension = matrix.shape
        self.unknown_id = unknown_id(tokenizer)
        self.special_ids = special_ids(tokenizer)
        self._matrix = matrix
        self._scales = scales

    def encode(self, prompt: str) -> list[int]:
        """The token ids of one prompt, without special tokens added.

        Raises:
            UnreadablePrompt: the prompt has half a surrogate pair.
        """
        try:
            ids: list[int] = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        except TypeError as error:
            raise unreadable() from error
        return ids

    def encode_batch(self, prompts: Sequence[str]) -> list[Encoding]:
        """Tokenise many prompts on all cores, without special tokens and without offsets.

        Raises:
            UnreadablePrompt: a prompt has half a surrogate pair.
        """
        try:
            return self.tokenizer.encode_batch_fast(prompts, add_special_tokens=False)
        except TypeError as error:
            raise unreadable() from error

    def rows(self, ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """The embeddings of these ids, float32, n x d."""
        return widen(self._matrix[ids], None if self._scales is None else self._scales[ids])

    def blocks(self, size: int = _BLOCK_ROWS) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """The whole matrix by blocks of rows: first id and float32, block x d."""
        for start in range(0, self.vocabulary_size, size):
            stop = start + size
            yield start, widen(self._matrix[start:stop], None if self._scales is None else self._scales[start:stop])


def fingerprint(
    name: str, tokenizer_json: bytes, matrix: npt.NDArray[Any], scales: npt.NDArray[Any] | None = None
) -> EmbedderFingerprint:
    """The fingerprint of a tokeniser's JSON and a matrix; reads every row.

    Raises:
        EmbedderError: the tokeniser is not a JSON object, or a row has a number that is not finite.
    """
    digest = hashlib.sha256(_MATRIX_LABEL + struct.pack("<QQ", *matrix.shape))
    for start in range(0, matrix.shape[0], _BLOCK_ROWS):
        stop = start + _BLOCK_ROWS
        rows = widen(matrix[start:stop], None if scales is None else scales[start:stop])
        if not np.isfinite(rows).all():
            raise EmbedderError(
                f"the embedding matrix of {name} has numbers that are not finite from row {start} on; download it again"
            )
        digest.update(rows.astype("<f4", copy=False).data)
    return EmbedderFingerprint(
        name=name,
        tokenizer_sha256=hashlib.sha256(_TOKENIZER_LABEL + canonical_tokenizer(tokenizer_json)).hexdigest(),
        matrix_sha256=digest.hexdigest(),
        vocabulary_size=matrix.shape[0],
        dimension=matrix.shape[1],
    )


def canonical_tokenizer(tokenizer_json: bytes) -> bytes:
    """The tokeniser's JSON with sorted keys and no white space, without truncation and padding, which are switched off.

    Raises:
        EmbedderError: it is not a JSON object.
    """
    try:
        document = json.loads(tokenizer_json)
    except ValueError as error:
        raise EmbedderError("tokenizer.json is no JSON; download the tokeniser again") from error
    if not isinstance(document, dict):
        raise EmbedderError("tokenizer.json is no JSON object; download the tokeniser again")
    kept = {key: value for key, value in document.items() if key not in {"truncation", "padding"}}
    return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()


def widen(rows: npt.NDArray[Any], scales: npt.NDArray[Any] | None) -> npt.NDArray[np.float32]:
    """Stored rows as contiguous float32, int8 rows times their scales."""
    wide = np.ascontiguousarray(rows, dtype=np.float32)
    return wide if scales is None else wide * scales.astype(np.float32)[:, None]


def unreadable() -> UnreadablePrompt:
    """Why the tokeniser refuses a Python string: it takes only what UTF-8 can say."""
    return UnreadablePrompt("a prompt has half a surrogate pair, which is no text; write its file anew as UTF-8")


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id that stands for whatever the vocabulary lacks, if the tokeniser has one."""
    if isinstance(tokenizer.model, Unigram):
        # The only model without an attribute for it.
        unigram_id: int | None = json.loads(tokenizer.model.__getstate__())["unk_id"]
        return unigram_id
    token = getattr(tokenizer.model, "unk_token", None)
    return tokenizer.token_to_id(token) if isinstance(token, str) else None


def special_ids(tokenizer: Tokenizer) -> npt.NDArray[np.int32]:
    """Ids that never count and never vote: special and padding tokens; int32, ascending.

    The unknown token is not among them, although tokenisers flag it: how often a domain leaves the vocabulary tells
    domains apart (measured: 97.5 instead of 94.8 on four domains).
    """
    unknown = unknown_id(tokenizer)
    flagged = (i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special and i != unknown)
    return np.array(sorted(flagged), dtype=np.int32)


def check_shapes(tokenizer: Tokenizer, matrix: npt.NDArray[Any], scales: npt.NDArray[Any] | None) -> None:
    """Every token id needs a row, and every int8 row a scale.

    Raises:
        EmbedderError: it is not so.
    """
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise EmbedderError(f"an embedding matrix has two dimensions, this one has shape {matrix.shape}")
    if (matrix.dtype == np.int8) != (scales is not None) or (scales is not None and scales.shape != matrix.shape[:1]):
        raise EmbedderError("an int8 matrix needs one scale for each row, and no other matrix has scales")
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= matrix.shape[0]:
        raise EmbedderError(
            f"the tokeniser has ids up to {largest}, the matrix only {matrix.shape[0]} rows; take both from one model"
        )
