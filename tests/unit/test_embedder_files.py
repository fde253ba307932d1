"""Embedders from model folders: every family's tensor names, every type, and what is refused."""

import importlib.util
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from ridgeway.embedder import Embedder, EmbedderError, EmbedderFingerprint, fingerprint
from ridgeway.embedders import PickleRefused, fingerprint_cache, load_embedder, packaged
from ridgeway.embedders.safetensors_file import header_of, read_header

ROOT = Path(__file__).parents[2]
WORDS = ["<pad>", "one", "two", "three", "four"]
MATRIX = np.arange(len(WORDS) * 4, dtype=np.float32).reshape(len(WORDS), 4) / 8.0 - 1.0
LLAMA = "model.embed_tokens.weight"

FAMILIES = {
    "bert": "bert.embeddings.word_embeddings.weight",
    "sentence-transformer": "embeddings.word_embeddings.weight",
    "gpt2": "wte.weight",
    "gpt2-lm": "transformer.wte.weight",
    "llama": LLAMA,
    "gemma": "language_model.model.embed_tokens.weight",
    "t5": "shared.weight",
    "t5-encoder": "encoder.embed_tokens.weight",
    "falcon": "transformer.word_embeddings.weight",
    "neox": "gpt_neox.embed_in.weight",
    "modernbert": "model.embeddings.tok_embeddings.weight",
}

# What stands around the embedding in real checkpoints and must not be taken for it.
BYSTANDERS = {
    "bert.embeddings.position_embeddings.weight": np.zeros((9, 4), dtype=np.float32),
    "bert.embeddings.token_type_embeddings.weight": np.zeros((2, 4), dtype=np.float32),
    "wpe.weight": np.zeros((9, 4), dtype=np.float32),
    "lm_head.weight": np.ones((5, 4), dtype=np.float32),
    "model.layers.0.self_attn.q_proj.weight": np.zeros((4, 4), dtype=np.float32),
    "model.layers.61.embed_tokens.weight": np.zeros((5, 4), dtype=np.float32),
}


def tokenizer_json(words: list[str] = WORDS) -> bytes:
    vocabulary = {word: i for i, word in enumerate(words)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<pad>"}
    return json.dumps({"version": "1.0", "pre_tokenizer": {"type": "Whitespace"}, "model": model}).encode()


def model_folder(folder: Path, tensors: dict[str, npt.NDArray[Any]], file: str = "model.safetensors") -> Path:
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / file)
    (folder / "tokenizer.json").write_bytes(tokenizer_json())
    return folder


def load(folder: Path) -> Embedder:
    """With the caches beside the folder, where tests may write."""
    return load_embedder(str(folder), cache_dir=folder.parent / "cache")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_found_among_its_bystanders(tmp_path: Path, family: str) -> None:
    folder = model_folder(tmp_path / "model", {**BYSTANDERS, FAMILIES[family]: MATRIX})
    embedder = load(folder)
    np.testing.assert_array_equal(embedder.rows(np.arange(5)), MATRIX)
    assert embedder.encode("two four") == [2, 4]
    assert (embedder.fingerprint.name, embedder.vocabulary_size, embedder.dimension) == ("model", 5, 4)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("shift", range(3))
def test_every_type_at_any_alignment_has_the_same_fingerprint(tmp_path: Path, dtype: str, shift: int) -> None:
    types = {"F32": "<f4", "F16": "<f2", "BF16": ml_dtypes.bfloat16}
    data = MATRIX.astype(types[dtype]).tobytes()
    header = {LLAMA: {"dtype": dtype, "shape": [5, 4], "data_offsets": [3, 3 + len(data)]}, "__metadata__": {"a": "b"}}
    text = json.dumps(header).encode() + b" " * shift
    folder = model_folder(tmp_path / "model", {"other": MATRIX})
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"xyz" + data)
    embedder = load(folder)
    np.testing.assert_array_equal(embedder.rows(np.array([4, 1])), MATRIX[[4, 1]])
    assert embedder.fingerprint == fingerprint("model", tokenizer_json(), MATRIX)


def test_one_file_under_another_name_will_do(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX}, "consolidated.safetensors")
    assert load(folder).dimension == 4


def test_of_a_sharded_model_only_the_shard_that_counts_is_needed(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX}, "model-00002-of-00003.safetensors")
    weight_map = {"lm_head.weight": "model-00003-of-00003.safetensors", LLAMA: "model-00002-of-00003.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    np.testing.assert_array_equal(load(folder).rows(np.arange(5)), MATRIX)


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        ({"weight_map": {LLAMA: "../elsewhere.safetensors"}}, "points out of its folder"),
        ({"weight_map": {LLAMA: 7}}, "points out of its folder"),
        ({"weight_map": {LLAMA: "model-9.safetensors"}}, "lacks model-9.safetensors"),
        ({"weight_map": {"other": "model.safetensors"}}, "no token embedding matrix"),
        ({"weight_map": None}, "is damaged"),
        ([], "is damaged"),
    ],
)
def test_a_bad_shard_index_is_refused(tmp_path: Path, index: object, sentence: str) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX}, "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(EmbedderError, match=sentence):
        load(folder)


@pytest.mark.parametrize(("config", "loads"), [('{"tie_word_embeddings": true}', True), ("{}", False), ("[", False)])
def test_an_output_matrix_stands_in_only_where_the_model_says_it_is_the_same(
    tmp_path: Path, config: str, loads: bool
) -> None:
    folder = model_folder(tmp_path / "model", {"lm_head.weight": MATRIX})
    (folder / "config.json").write_text(config)
    if loads:
        np.testing.assert_array_equal(load(folder).rows(np.arange(5)), MATRIX)
    else:
        with pytest.raises(EmbedderError, match=r"lm_head\.weight"):
            load(folder)


def test_t5_with_both_sides_written_out_is_not_ambiguous(tmp_path: Path) -> None:
    names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
    assert load(model_folder(tmp_path / "model", dict.fromkeys(names, MATRIX))).dimension == 4


def test_a_missing_matrix_lists_what_was_found(tmp_path: Path) -> None:
    tensors = {f"tensor.{i}": MATRIX for i in range(12)}
    with pytest.raises(EmbedderError, match=r"tensor\.0, tensor\.1, .* and 4 more; name another model"):
        load(model_folder(tmp_path / "model", tensors))


def test_an_ambiguous_matrix_lists_the_candidates(tmp_path: Path) -> None:
    tensors = {"talker.model.embed_tokens.weight": MATRIX, "thinker.model.embed_tokens.weight": MATRIX}
    with pytest.raises(EmbedderError, match=r"several .*talker\.model\.embed_tokens\.weight, thinker"):
        load(model_folder(tmp_path / "model", tensors))


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "last.ckpt"])
def test_pickles_are_refused_unread_with_why_and_what_to_do(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(tokenizer_json())
    (folder / file).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    for name in (folder, folder / file):
        with pytest.raises(PickleRefused, match=r"can run any code.*safetensors"):
            load(name)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"dtype": "F8_E4M3", "shape": [5, 4], "data_offsets": [0, 20]}, "type F8_E4M3"),
        ({"dtype": "I8", "shape": [5, 4], "data_offsets": [0, 20]}, "type I8; convert it to one of F16, BF16, F32"),
        ({"dtype": "F32", "shape": [80], "data_offsets": [0, 320]}, "not V x d"),
        ({"dtype": "F32", "shape": [5, 4], "data_offsets": [0, 40]}, "contradicts itself"),
        ({"dtype": "F32", "shape": [5, 4], "data_offsets": [0, 80]}, "ends inside"),
        ({"dtype": "F32", "shape": [-5, -4], "data_offsets": [0, 80]}, "damaged"),
        ({"dtype": "F32", "shape": [5, 4], "data_offsets": [80, 0]}, "damaged"),
        ({"dtype": "F32"}, "damaged"),
        ("no entry", "damaged"),
    ],
)
def test_a_tensor_that_cannot_be_what_it_says_is_refused(tmp_path: Path, entry: object, sentence: str) -> None:
    folder = model_folder(tmp_path / "model", {"other": MATRIX})
    text = json.dumps({LLAMA: entry}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(40))
    with pytest.raises(EmbedderError, match=sentence):
        load(folder)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_header_reader(data: bytes) -> None:
    try:
        read_header(lambda start, stop: data[start:stop], "noise")
    except EmbedderError as error:
        assert "download it again" in str(error)


def test_a_written_header_is_one_the_library_reads(tmp_path: Path) -> None:
    scales = np.arange(5, dtype=np.float32)
    rows = np.arange(15, dtype=np.int8).reshape(5, 3)
    header = header_of({"rows": ("I8", rows.shape), "scales": ("F32", scales.shape)})
    (tmp_path / "made").write_bytes(header + rows.tobytes() + scales.tobytes())
    read = load_file(tmp_path / "made")
    np.testing.assert_array_equal(read["rows"], rows)
    np.testing.assert_array_equal(read["scales"], scales)


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse-64-GiB", "cut-off-after-the-embedding"])
def test_the_rest_of_the_file_is_never_read(tmp_path: Path, sparse: bool) -> None:
    folder = model_folder(tmp_path / "model", {"other": MATRIX})
    rest = 1 << 36
    entries = {
        LLAMA: {"dtype": "F32", "shape": [5, 4], "data_offsets": [0, 80]},
        "rest": {"dtype": "F32", "shape": [rest // 4], "data_offsets": [80, 80 + rest]},
    }
    text = json.dumps(entries).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + MATRIX.tobytes())
        if sparse:
            file.truncate(file.tell() + rest)
    np.testing.assert_array_equal(load(folder).rows(np.arange(5)), MATRIX)


def test_a_tokenizer_larger_than_the_matrix_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX})
    (folder / "tokenizer.json").write_bytes(tokenizer_json([*WORDS, "five"]))
    with pytest.raises(EmbedderError, match="ids up to 5, the matrix only 5 rows"):
        load(folder)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("tokenizer.json", r"no tokenizer\.json"),
        ("model.safetensors", r"no model\.safetensors"),
    ],
)
def test_a_folder_that_lacks_a_part_is_refused(tmp_path: Path, spoil: str, sentence: str) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX})
    (folder / spoil).unlink()
    with pytest.raises(EmbedderError, match=sentence):
        load(folder)


def test_several_files_without_an_index_are_refused(tmp_path: Path) -> None:
    for file in ("a.safetensors", "b.safetensors"):
        folder = model_folder(tmp_path / "model", {LLAMA: MATRIX}, file)
    with pytest.raises(EmbedderError, match=r"several safetensors files \(a\.safetensors, b\.safetensors\)"):
        load(folder)


@pytest.mark.parametrize("damaged", [b"", b"{}", b'{"model": {"type": "Nonsense"}}'])
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, damaged: bytes) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX})
    (folder / "tokenizer.json").write_bytes(damaged)
    with pytest.raises(EmbedderError, match="download"):
        load(folder)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "", "../x"])
def test_a_name_that_is_nothing_says_what_a_name_may_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(EmbedderError, match="builtin"):
        load_embedder(name, cache_dir=tmp_path)


def test_a_weight_file_is_no_folder(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX})
    with pytest.raises(EmbedderError, match="is a file; name the model folder"):
        load(folder / "model.safetensors")


def test_older_tokenizer_files_are_converted(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", {"embeddings.word_embeddings.weight": np.ones((8, 4), dtype=np.float32)})
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    (folder / "config.json").write_text('{"model_type": "bert"}')
    embedder = load(folder)
    assert embedder.encode("Hello worlds") == [5, 6, 7]
    assert set(embedder.special_ids.tolist()) == {0, 2, 3, 4}


def test_the_fingerprint_is_kept_until_the_files_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX})
    first = load(folder).fingerprint
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "tokenizer.json"]
    computed: list[str] = []

    def counted(name: str, *arguments: Any) -> EmbedderFingerprint:
        computed.append(name)
        return fingerprint(name, *arguments)

    monkeypatch.setattr("ridgeway.embedders.directory.fingerprint", counted)
    assert load(folder).fingerprint == first
    assert not computed
    save_file({LLAMA: MATRIX + 1}, folder / "model.safetensors")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert load(folder).fingerprint == fingerprint("model", tokenizer_json(), MATRIX + 1)
    (folder / "tokenizer.json").write_bytes(tokenizer_json(["<pad>", "uno", "dos"]))
    assert load(folder).fingerprint == fingerprint("model", tokenizer_json(["<pad>", "uno", "dos"]), MATRIX + 1)
    assert computed == ["model", "model"]


def test_kept_fingerprints_are_bounded_and_damaged_ones_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint_cache, "MOST_ENTRIES", 3)
    made = fingerprint("tiny", tokenizer_json(), MATRIX)
    entries = [tmp_path / "fingerprints" / f"{i}.json" for i in range(5)]
    for i, entry in enumerate(entries):
        fingerprint_cache.remember(entry, made)
        os.utime(entry, ns=(i, i))
    assert [entry.exists() for entry in entries] == [False, False, True, True, True]
    assert fingerprint_cache.recall(entries[4], "other name") == EmbedderFingerprint(
        "other name", made.tokenizer_sha256, made.matrix_sha256, 5, 4
    )
    entries[4].write_text('{"name": "half')
    assert fingerprint_cache.recall(entries[4], "tiny") is None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", {LLAMA: MATRIX})
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert load(folder).fingerprint == fingerprint("model", tokenizer_json(), MATRIX)


def test_the_builtin_fingerprint_is_that_of_its_files() -> None:
    tensors = load_file(packaged.FOLDER / packaged.MATRIX_FILE)
    made = fingerprint(
        "builtin", (packaged.FOLDER / "tokenizer.json").read_bytes(), tensors[packaged.ROWS], tensors[packaged.SCALES]
    )
    assert load_embedder("builtin").fingerprint == made


def test_the_builtin_data_is_small_and_names_its_source_and_licence() -> None:
    assert sum(path.stat().st_size for path in packaged.FOLDER.iterdir()) <= 13_000_000
    assert "Apache License" in (packaged.FOLDER / "LICENSE").read_text()
    notice = (packaged.FOLDER / "NOTICE").read_text()
    assert "sentence-transformers/all-MiniLM-L6-v2" in notice
    assert "nreimers/MiniLM-L6-H384-uncased" in notice


def test_the_builtin_rows_point_where_the_originals_do(shared_dir: Path, tmp_path: Path) -> None:
    original = load_embedder(str(shared_dir / "embedders" / "all-MiniLM-L6-v2"), cache_dir=tmp_path)
    ours = load_embedder("builtin")
    assert ours.fingerprint.tokenizer_sha256 == original.fingerprint.tokenizer_sha256
    ids = np.arange(ours.vocabulary_size)
    a, b = ours.rows(ids), original.rows(ids)
    cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    assert cosine.min() > 0.999


@pytest.fixture(scope="module")
def build_script() -> ModuleType:
    script = importlib.util.spec_from_file_location("build_builtin", ROOT / "scripts" / "build_builtin_embedder.py")
    assert script is not None
    assert script.loader is not None
    module = importlib.util.module_from_spec(script)
    script.loader.exec_module(module)
    return module


def test_the_builtin_data_is_what_its_script_makes(build_script: ModuleType, shared_dir: Path, tmp_path: Path) -> None:
    build_script.build(shared_dir / "embedders" / "all-MiniLM-L6-v2", tmp_path)
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (packaged.FOLDER / made.name).read_bytes(), made.name


def test_a_row_of_zeros_survives_quantisation(build_script: ModuleType) -> None:
    rows, scales = build_script.quantise(np.array([[0, 0], [127, -254]], dtype=np.float16))
    assert rows.tolist() == [[0, 0], [64, -127]]
    assert scales.tolist() == [1.0, 2.0]


def test_importing_embedders_imports_neither_transformers_nor_a_hub_client() -> None:
    code = "import sys, ridgeway.embedders; print([m for m in ('transformers', 'huggingface_hub') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
