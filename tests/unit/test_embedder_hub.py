"""Embedders from a model hub, against a server on loopback: what is asked for, what is kept, what goes wrong."""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import huggingface_hub
import ml_dtypes
import numpy as np
import pytest

from ridgeway.embedder import EmbedderError, fingerprint
from ridgeway.embedders import PickleRefused, hub, load_embedder

MODEL = "tiny-org/tiny-model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "model.embed_tokens.weight"
MATRIX = np.random.default_rng(7).standard_normal((5, 4)).astype(ml_dtypes.bfloat16)
WORDS = {"<pad>": 0, "one": 1, "two": 2, "three": 3, "four": 4}
TOKENIZER = json.dumps(
    {"version": "1.0", "pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel", "vocab": WORDS}}
    | {"added_tokens": []}
).replace('"vocab"', '"unk_token": "<pad>", "vocab"')
BALLAST = 3_000_000
LOAD_HERE = f"""
from pathlib import Path
from ridgeway.embedders import load_embedder
load_embedder({MODEL!r}, cache_dir=Path())
"""


def checkpoint(rows: np.ndarray = MATRIX) -> bytes:
    """A safetensors file with the embedding in the middle of megabytes of other weights."""
    entries = {
        "before": {"dtype": "I8", "shape": [BALLAST], "data_offsets": [0, BALLAST]},
        NAME: {"dtype": "BF16", "shape": list(rows.shape), "data_offsets": [BALLAST, BALLAST + rows.nbytes]},
        "after": {
            "dtype": "I8",
            "shape": [BALLAST],
            "data_offsets": [BALLAST + rows.nbytes, 2 * BALLAST + rows.nbytes],
        },
    }
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(BALLAST) + rows.tobytes() + bytes(BALLAST)


class Hub(ThreadingHTTPServer):
    """As much of the hub's HTTP interface as downloads use, with faults to switch on.

    Attributes:
        ranges: whether Range is obeyed.
        sizes: whether the listing says how large files are.
        page: sent instead of the listing.
        shift: by how many bytes a range is answered wrongly.
        cut_after: a response ends early after so many bytes, for the first `cuts` responses that are longer.
        hold_after: a response stops for ever after so many bytes.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"model.safetensors": checkpoint(), "tokenizer.json": TOKENIZER.encode()}
        self.ranges = True
        self.sizes = True
        self.page = b""
        self.shift = 0
        self.cut_after = 1 << 40
        self.cuts = 0
        self.hold_after = 1 << 40
        self.held = threading.Event()
        self.closing = threading.Event()
        self.requests: list[str] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        data = self.server.files[urlsplit(self.path).path.removeprefix(f"/{MODEL}/resolve/{COMMIT}/")]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(path)
        if path in {f"/api/models/{MODEL}", f"/api/models/{MODEL}/revision/main"}:
            files = self.server.files.items()
            siblings = [
                {"rfilename": name} | ({"size": len(data)} if self.server.sizes else {}) for name, data in files
            ]
            listing = json.dumps({"id": MODEL, "sha": COMMIT, "siblings": siblings}).encode()
            self.answer(200, self.server.page or listing, {})
            return
        data = self.server.files.get(path.removeprefix(f"/{MODEL}/resolve/{COMMIT}/"))
        if data is None:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif self.server.ranges and "Range" in self.headers:
            start, stop = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            start += self.server.shift
            body = data[start : stop + 1]
            self.answer(206, body, {"Content-Range": f"bytes {start}-{start + len(body) - 1}/{len(data)}"})
        else:
            self.answer(200, data, {})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.server.cuts > 0 and len(body) > self.server.cut_after
        self.server.cuts -= cut
        hold = len(body) > self.server.hold_after
        body = body[: self.server.cut_after] if cut else body[: self.server.hold_after]
        for start in range(0, len(body), 1 << 16):
            self.wfile.write(body[start : start + (1 << 16)])
            self.server.sent += len(body[start : start + (1 << 16)])
        if hold:
            self.server.held.set()
            self.server.closing.wait()


@pytest.fixture
def server() -> Iterator[Hub]:
    with Hub() as hub_server:
        thread = threading.Thread(target=hub_server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield hub_server
        hub_server.closing.set()
        hub_server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _client(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point huggingface_hub, which reads HF_ENDPOINT only once, at the server."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (huggingface_hub.constants, huggingface_hub.file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 5)


def kept(cache: Path) -> list[str]:
    """The files of models in the cache, whole or half-made."""
    folders = (cache / "models", cache / "incoming")
    return sorted(str(path.relative_to(cache)) for folder in folders for path in folder.rglob("*") if path.is_file())


WHOLE = ["models/tiny-org--tiny-model/model.safetensors", "models/tiny-org--tiny-model/tokenizer.json"]


@pytest.mark.parametrize("ranges", [True, False], ids=["with-ranges", "without"])
def test_the_tensor_and_the_tokenizer_arrive_and_nothing_else_is_kept(
    tmp_path: Path, server: Hub, ranges: bool
) -> None:
    server.ranges = ranges
    embedder = load_embedder(MODEL, cache_dir=tmp_path)
    np.testing.assert_array_equal(embedder.rows(np.arange(5)), MATRIX.astype(np.float32))
    assert embedder.fingerprint == fingerprint(MODEL, TOKENIZER.encode(), MATRIX)
    assert embedder.encode("four one") == [4, 1]
    assert kept(tmp_path) == WHOLE
    assert sum((tmp_path / file).stat().st_size for file in WHOLE) < 2_000
    if ranges:
        assert server.sent < 5_000


def test_a_sharded_model_costs_the_index_and_a_slice_of_one_shard(tmp_path: Path, server: Hub) -> None:
    shard = server.files.pop("model.safetensors")
    weight_map = {NAME: "model-00001-of-00002.safetensors", "lm_head.weight": "model-00002-of-00002.safetensors"}
    server.files |= {
        "model.safetensors.index.json": json.dumps({"weight_map": weight_map}).encode(),
        "model-00001-of-00002.safetensors": shard,
        "model-00002-of-00002.safetensors": b"never asked for",
    }
    np.testing.assert_array_equal(load_embedder(MODEL, cache_dir=tmp_path).rows(np.arange(5)), MATRIX)
    assert not [path for path in server.requests if "00002-of-00002" in path]
    assert server.sent < 5_000


def test_the_second_start_needs_no_network_and_the_folder_loads_as_a_path(tmp_path: Path, server: Hub) -> None:
    first = load_embedder(MODEL, cache_dir=tmp_path).fingerprint
    server.requests.clear()
    assert load_embedder(MODEL, cache_dir=tmp_path).fingerprint == first
    folder = tmp_path / "models" / "tiny-org--tiny-model"
    assert load_embedder(str(folder), cache_dir=tmp_path).fingerprint.matches(first)
    assert not server.requests


def test_progress_tells_every_file_up_to_its_end(tmp_path: Path) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}

    def progress(done_bytes: int, total_bytes: int, description: str) -> None:
        seen.setdefault(description, []).append((done_bytes, total_bytes))

    load_embedder(MODEL, cache_dir=tmp_path, progress=progress)
    assert seen["model.safetensors"][-1] == (MATRIX.nbytes, MATRIX.nbytes)
    assert seen["tokenizer.json"][-1] == (len(TOKENIZER), len(TOKENIZER))


@pytest.mark.parametrize(
    ("ranges", "cut_after", "cuts"),
    [
        pytest.param(True, 1_200_000, 1, id="with-ranges"),
        # Without ranges the two looks at the header are whole files too.
        pytest.param(False, BALLAST + 1_200_000, 3, id="without"),
    ],
)
def test_a_broken_connection_is_taken_up_where_it_broke(
    tmp_path: Path, server: Hub, ranges: bool, cut_after: int, cuts: int
) -> None:
    large = np.ones((500_000, 2), dtype=ml_dtypes.bfloat16)
    large[-1] = 7
    server.files["model.safetensors"] = checkpoint(large)
    server.ranges, server.cut_after, server.cuts = ranges, cut_after, cuts
    embedder = load_embedder(MODEL, cache_dir=tmp_path)
    np.testing.assert_array_equal(embedder.rows(np.array([0, 499_999])), [[1, 1], [7, 7]])
    assert server.cuts == 0


def test_a_server_that_always_breaks_off_leaves_nothing(tmp_path: Path, server: Hub) -> None:
    server.cut_after, server.cuts = 0, 1 << 40
    with pytest.raises(EmbedderError, match="hf download tiny-org/tiny-model"):
        load_embedder(MODEL, cache_dir=tmp_path)
    assert kept(tmp_path) == []


def test_a_range_that_was_not_asked_for_is_not_taken(tmp_path: Path, server: Hub) -> None:
    server.shift = 2
    with pytest.raises(EmbedderError, match="CutOff"):
        load_embedder(MODEL, cache_dir=tmp_path)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("sizes", [True, False], ids=["listed", "asked"])
def test_a_tokeniser_beyond_any_size_is_not_fetched(
    tmp_path: Path, server: Hub, monkeypatch: pytest.MonkeyPatch, sizes: bool
) -> None:
    monkeypatch.setattr(hub, "LARGEST_SMALL_FILE_BYTES", 1000)
    server.sizes = sizes
    server.files["tokenizer.json"] = b" " * 2_000_000
    with pytest.raises(EmbedderError, match=r"tokenizer\.json of tiny-org/tiny-model has 2000000 bytes, far too many"):
        load_embedder(MODEL, cache_dir=tmp_path)
    assert server.sent < 10_000
    assert kept(tmp_path) == []


def test_a_mirror_that_lists_no_sizes_is_asked_for_them(tmp_path: Path, server: Hub) -> None:
    server.sizes = False
    np.testing.assert_array_equal(load_embedder(MODEL, cache_dir=tmp_path).rows(np.arange(5)), MATRIX)


@pytest.mark.parametrize("page", [b"<html>Welcome to our wireless network</html>", b"{}", b"[]"])
def test_a_server_that_is_no_hub_is_named_as_such(tmp_path: Path, server: Hub, page: bytes) -> None:
    server.page = page
    with pytest.raises(EmbedderError, match=r"HF_ENDPOINT|hf download"):
        load_embedder(MODEL, cache_dir=tmp_path)
    assert kept(tmp_path) == []


def test_a_model_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no such model"):
        load_embedder("tiny-org/mistyped", cache_dir=tmp_path)
    assert kept(tmp_path) == []


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EmbedderError, match=r"hf download tiny-org/tiny-model .* and name DIR instead"):
        load_embedder(MODEL, cache_dir=tmp_path)
    assert kept(tmp_path) == []


def test_offline_mode_is_kept(tmp_path: Path, server: Hub) -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": server.url}
    command = [sys.executable, "-c", LOAD_HERE]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "OfflineModeIsEnabled" in run.stderr
    assert "HubError" in run.stderr
    assert not server.requests


def test_pickles_on_the_hub_are_refused_and_not_fetched(tmp_path: Path, server: Hub) -> None:
    server.files["pytorch_model.bin"] = server.files.pop("model.safetensors")
    with pytest.raises(PickleRefused, match="any code"):
        load_embedder(MODEL, cache_dir=tmp_path)
    assert not [path for path in server.requests if path.endswith(".bin")]
    assert kept(tmp_path) == []


def test_a_tokenizer_of_absurd_size_is_refused(tmp_path: Path, server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LARGEST_SMALL_FILE_BYTES", 10)
    with pytest.raises(EmbedderError, match=r"tokenizer\.json .* far too many"):
        load_embedder(MODEL, cache_dir=tmp_path)
    assert kept(tmp_path) == []


def test_older_tokenizer_files_are_fetched_and_converted_once(tmp_path: Path, server: Hub) -> None:
    del server.files["tokenizer.json"]
    server.files |= {
        "vocab.txt": b"[PAD]\n[UNK]\n[CLS]\nhello\nworld\n",
        "tokenizer_config.json": b'{"tokenizer_class": "BertTokenizer"}',
        "config.json": b'{"model_type": "bert"}',
    }
    server.files["model.safetensors"] = checkpoint(np.ones((9, 4), dtype=ml_dtypes.bfloat16))
    assert load_embedder(MODEL, cache_dir=tmp_path).encode("Hello world") == [3, 4]
    assert kept(tmp_path) == WHOLE


def test_a_killed_download_leaves_nothing_half_made_and_the_next_one_is_whole(tmp_path: Path, server: Hub) -> None:
    large = np.ones((1_000_000, 2), dtype=ml_dtypes.bfloat16)
    server.files["model.safetensors"] = checkpoint(large)
    server.hold_after = 2_500_000
    environment = os.environ | {"HF_ENDPOINT": server.url}
    with subprocess.Popen([sys.executable, "-c", LOAD_HERE], cwd=tmp_path, env=environment) as process:
        assert server.held.wait(60)
        process.send_signal(signal.SIGKILL)
    assert not [file for file in kept(tmp_path) if file.startswith("models/")]
    server.hold_after = 1 << 40
    assert load_embedder(MODEL, cache_dir=tmp_path).vocabulary_size == 1_000_000
    assert kept(tmp_path) == WHOLE


def test_two_starts_at_once_fetch_the_model_once(tmp_path: Path, server: Hub) -> None:
    threads = [threading.Thread(target=load_embedder, args=(MODEL,), kwargs={"cache_dir": tmp_path}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept(tmp_path) == WHOLE
    assert len([path for path in server.requests if path.startswith("/api/")]) == 1
