"""The embedder itself: fingerprint, rows in every storage type, special tokens, refusals."""

import hashlib
import json
import struct
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ridgeway.embedder import (
    Embedder,
    EmbedderError,
    EmbedderFingerprint,
    UnreadablePrompt,
    canonical_tokenizer,
    fingerprint,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "the", "cat", "sat", "down"]
# Every one of these is exact in float16, bfloat16 and float32.
EXACT = (np.arange(len(WORDS) * 3, dtype=np.float32).reshape(len(WORDS), 3) - 9.0) / 4.0


def tokenizer_document(words: list[str] = WORDS, **extra: Any) -> dict[str, Any]:
    """A word-level tokeniser, as tokenizer.json has it."""
    special = [
        {"id": i, "content": word, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        | {"special": True}
        for i, word in enumerate(words)
        if word.startswith("[")
    ]
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
        | {"pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {word: i for i, word in enumerate(words)}, "unk_token": "[UNK]"},
        **extra,
    }


TOKENIZER_JSON = json.dumps(tokenizer_document()).encode()


def make(matrix: npt.NDArray[Any], scales: npt.NDArray[Any] | None = None) -> Embedder:
    made = fingerprint("tiny", TOKENIZER_JSON, matrix, scales)
    return Embedder(Tokenizer.from_buffer(TOKENIZER_JSON), matrix, made, scales)


def stored(dtype: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """EXACT in a storage type."""
    if dtype == "int8":
        return (EXACT * 4).astype(np.int8), np.full(len(EXACT), 0.25, dtype=np.float32)
    return EXACT.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype), None


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_every_storage_type_has_the_same_rows_and_fingerprint(dtype: str) -> None:
    matrix, scales = stored(dtype)
    embedder = make(matrix, scales)
    ids = np.array([4, 0, 4, 6])
    assert embedder.rows(ids).dtype == np.float32
    np.testing.assert_array_equal(embedder.rows(ids), EXACT[ids])
    assert embedder.fingerprint == make(EXACT).fingerprint


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_blocks_cover_the_matrix_in_order(dtype: str, size: int) -> None:
    blocks = list(make(*stored(dtype)).blocks(size))
    assert [start for start, _ in blocks] == list(range(0, len(WORDS), size))
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in blocks]), EXACT)


def test_the_fingerprint_is_what_its_definition_says() -> None:
    document = tokenizer_document()
    del document["truncation"], document["padding"]
    tokenizer = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    matrix = b"ridgeway/v1/matrix" + struct.pack("<QQ", *EXACT.shape) + EXACT.astype("<f4").tobytes()
    assert make(EXACT).fingerprint == EmbedderFingerprint(
        name="tiny",
        tokenizer_sha256=hashlib.sha256(b"ridgeway/v1/tokenizer" + tokenizer).hexdigest(),
        matrix_sha256=hashlib.sha256(matrix).hexdigest(),
        vocabulary_size=7,
        dimension=3,
    )


def test_the_fingerprint_does_not_depend_on_the_order_of_memory_or_the_size_of_a_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = make(EXACT).fingerprint
    assert make(np.asfortranarray(EXACT)).fingerprint == expected
    assert make(EXACT.astype(">f4")).fingerprint == expected
    monkeypatch.setattr("ridgeway.embedder._BLOCK_ROWS", 2)
    assert make(EXACT).fingerprint == expected


@given(st.permutations(list(tokenizer_document())), st.integers(0, 8))
def test_the_tokenizer_hash_ignores_layout_truncation_and_padding(keys: list[str], indent: int) -> None:
    document = tokenizer_document(truncation=None, padding=None)
    other = json.dumps({key: document[key] for key in keys}, indent=indent, ensure_ascii=False).encode()
    assert canonical_tokenizer(other) == canonical_tokenizer(TOKENIZER_JSON)


def test_another_matrix_shape_or_tokenizer_is_another_fingerprint() -> None:
    ours = make(EXACT).fingerprint
    changed = EXACT.copy()
    changed[6, 2] += 0.25
    reworded = json.dumps(tokenizer_document([*WORDS[:6], "up"])).encode()
    assert not ours.matches(make(changed).fingerprint)
    assert not ours.matches(fingerprint("tiny", TOKENIZER_JSON, EXACT.reshape(3, 7)))
    assert not ours.matches(fingerprint("tiny", reworded, EXACT))
    assert ours.matches(fingerprint("another name", TOKENIZER_JSON, EXACT))


def test_a_description_names_the_embedder_and_tells_two_apart() -> None:
    ours, other = make(EXACT).fingerprint, make(EXACT + 1).fingerprint
    assert ours.describe().startswith("tiny (7 x 3, ")
    assert ours.describe() != other.describe()


def test_prompts_are_encoded_whole_without_padding_and_without_added_tokens() -> None:
    embedder = make(EXACT)
    assert embedder.encode("The cat sat down") == [3, 4, 5, 6]
    prompts = ["The cat sat down", "", "a cat"]
    assert [encoding.ids for encoding in embedder.encode_batch(prompts)] == [embedder.encode(text) for text in prompts]


def test_special_tokens_are_known_and_the_unknown_token_stands_apart() -> None:
    embedder = make(EXACT)
    assert embedder.special_ids.dtype == np.int32
    assert embedder.special_ids.tolist() == [0, 2]
    assert embedder.unknown_id == 1


def test_the_unknown_token_of_a_unigram_tokenizer_is_known_too() -> None:
    vocabulary = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["a", -1.0]]
    special = [{**tokenizer_document()["added_tokens"][0], "id": i, "content": vocabulary[i][0]} for i in range(3)]
    model = {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": False}
    tokenizer = json.dumps({"version": "1.0", "added_tokens": special, "model": model}).encode()
    embedder = Embedder(Tokenizer.from_buffer(tokenizer), EXACT[:4], fingerprint("t5", tokenizer, EXACT[:4]))
    assert embedder.encode("az") == [3, 2]
    assert (embedder.unknown_id, embedder.special_ids.tolist()) == (2, [0, 1])


def test_half_a_surrogate_pair_is_refused_as_what_it_is() -> None:
    embedder = make(EXACT)
    with pytest.raises(UnreadablePrompt, match="write its file anew as UTF-8"):
        embedder.encode("the cat \ud83d")
    with pytest.raises(UnreadablePrompt, match="write its file anew as UTF-8"):
        embedder.encode_batch(["the cat", "\ud83d"])


@pytest.mark.parametrize(
    ("matrix", "scales", "sentence"),
    [
        (EXACT[:-1], None, "ids up to 6, the matrix only 6 rows"),
        (EXACT.ravel(), None, "two dimensions"),
        (EXACT[:, :0], None, "two dimensions"),
        (EXACT.astype(np.int8), None, "one scale for each row"),
        (EXACT.astype(np.int8), np.ones(3, dtype=np.float32), "one scale for each row"),
        (EXACT, np.ones(7, dtype=np.float32), "one scale for each row"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    matrix: npt.NDArray[Any], scales: npt.NDArray[Any] | None, sentence: str
) -> None:
    with pytest.raises(EmbedderError, match=sentence):
        Embedder(Tokenizer.from_buffer(TOKENIZER_JSON), matrix, make(EXACT).fingerprint, scales)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_with_numbers_that_are_not_finite_has_no_fingerprint(bad: float) -> None:
    matrix = EXACT.copy()
    matrix[3, 1] = bad
    with pytest.raises(EmbedderError, match="not finite"):
        fingerprint("tiny", TOKENIZER_JSON, matrix)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_tokenizer_has_no_fingerprint(damaged: bytes) -> None:
    with pytest.raises(EmbedderError, match="download the tokeniser again"):
        fingerprint("tiny", damaged, EXACT)
