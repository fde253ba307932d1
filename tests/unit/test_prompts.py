"""Prompts come out of every format as they went in, and bad files are named without showing what is in them."""

import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ridgeway.node.prompts import (
    BadPromptLine,
    PromptSource,
    ReadReport,
    batches,
    formats,
    read_prompts,
    source_fingerprint,
)
from ridgeway.node.prompts.errors import NoSuchPrompts, UnknownFormat, UnreadableFile

PRIVATE = "Patient Doe has a rash"


def write_jsonl(path: Path, prompts: list[str]) -> None:
    path.write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts))


def write_json(path: Path, prompts: list[str]) -> None:
    path.write_text(json.dumps([{"prompt": p} for p in prompts]))


def write_csv(path: Path, prompts: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["id", "prompt"], *([i, p] for i, p in enumerate(prompts))])
    path.write_bytes(text.getvalue().encode())


def write_parquet(path: Path, prompts: list[str]) -> None:
    pq.write_table(pa.table({"id": list(range(len(prompts))), "prompt": pa.array(prompts, pa.string())}), path)


def write_gz(path: Path, prompts: list[str]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps({"prompt": p}) + "\n" for p in prompts).encode()))


def write_zst(path: Path, prompts: list[str]) -> None:
    data = "".join(json.dumps({"prompt": p}) + "\n" for p in prompts).encode()
    path.write_bytes(zstandard.compress(data[: len(data) // 2]) + zstandard.compress(data[len(data) // 2 :]))


WRITERS: dict[str, Callable[[Path, list[str]], None]] = {
    "p.jsonl": write_jsonl,
    "p.json": write_json,
    "p.csv": write_csv,
    "p.parquet": write_parquet,
    "p.jsonl.gz": write_gz,
    "p.jsonl.zst": write_zst,
}
texts = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), max_size=8)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts=texts)
def test_every_format_gives_back_what_was_written(name: str, tmp_path: Path, prompts: list[str]) -> None:
    path = tmp_path / name
    WRITERS[name](path, prompts)
    assert list(read_prompts(PromptSource(str(path)))) == prompts


@pytest.mark.parametrize(
    ("entry", "prompt"),
    [
        ({"text": "a"}, "a"),
        ({"question": "a", "text": None}, "a"),
        ({"instruction": "a", "output": "b"}, "a"),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]}, "a"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]}, "a"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant"}, {"role": "user", "content": "b"}]},
            "a\nb",
        ),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, "a"),
        ("a", "a"),
    ],
)
def test_the_prompt_is_found_where_people_put_it(tmp_path: Path, entry: object, prompt: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(entry))
    assert list(read_prompts(PromptSource(str(path)))) == [prompt]


def test_a_field_may_be_a_dotted_path(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"input": {"user": "a"}, "prompt": "not this"}))
    assert list(read_prompts(PromptSource(str(path), field="input.user"))) == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("p.jsonl", b'{"prompt": "ok"}\n{"prompt": "%s\n' % PRIVATE.encode(), 2),
        ("p.jsonl", b'{"prompt": "ok"}\n\n{"secret": "%s"}\n' % PRIVATE.encode(), 3),
        ("p.jsonl", b'{"prompt": ["%s"]}\n' % PRIVATE.encode(), 1),
        ("p.jsonl", b'["%s"]\n' % PRIVATE.encode(), 1),
        ("p.txt", b"ok\n%s \xff\n" % PRIVATE.encode(), 2),
        ("p.csv", b"id,prompt\n1,ok\n2\n", 3),
        ("p.csv", b"id,prompt\n1,%s \xff\n" % PRIVATE.encode(), 2),
        ("p.csv", b"id,body\n1,%s\n" % PRIVATE.encode(), 1),
        ("p.json", b'[{"prompt": "ok"}, {"body": "%s"}]' % PRIVATE.encode(), 2),
    ],
)
def test_a_bad_entry_is_named_by_file_and_line_without_its_content(
    tmp_path: Path, name: str, content: bytes, line: int
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadPromptLine) as caught:
        list(read_prompts(PromptSource(str(path))))
    assert f"{path}:{line}:" in str(caught.value)
    assert "Doe" not in str(caught.value)


def test_skip_bad_counts_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a"}\nnonsense\n{"prompt": "  "}\n{"prompt": "b"}\n')
    report = ReadReport()
    assert list(read_prompts(PromptSource(str(path), skip_bad=True), report=report)) == ["a", "b"]
    assert (report.prompts, report.skipped, report.blank) == (2, 1, 1)
    assert [(s.location, s.line, s.problem) for s in report.first_skips] == [(str(path), 2, "it is not JSON in UTF-8")]
    assert report.bytes_done == report.bytes_total == path.stat().st_size


@pytest.mark.parametrize("name", ["p.jsonl.gz", "p.jsonl.zst"])
def test_a_cut_off_archive_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path, [f"prompt {i} {'x' * 50}" for i in range(2000)])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises((UnreadableFile, BadPromptLine), match=name):
        list(read_prompts(PromptSource(str(path))))


def test_a_directory_is_read_in_order_without_what_it_does_not_know(tmp_path: Path) -> None:
    for name in ("b.jsonl", "sub/a.jsonl", ".hidden.jsonl", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_jsonl(tmp_path / name, [name])
    assert list(read_prompts(PromptSource(str(tmp_path)))) == ["b.jsonl", "sub/a.jsonl"]
    assert list(read_prompts(PromptSource(str(tmp_path / "*.jsonl")))) == ["b.jsonl"]


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoSuchPrompts, match="matches nothing"):
        list(read_prompts(PromptSource(str(tmp_path / "none.jsonl"))))
    with pytest.raises(NoSuchPrompts, match="no file of a known format"):
        list(read_prompts(PromptSource(str(tmp_path))))
    (tmp_path / "data.bin").write_bytes(b"x")
    with pytest.raises(UnknownFormat, match=r"rename it to \.jsonl"):
        list(read_prompts(PromptSource(str(tmp_path / "data.bin"))))
    (tmp_path / "p.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UnreadableFile, match="Parquet"):
        list(read_prompts(PromptSource(str(tmp_path / "p.parquet"))))


def test_standard_input_is_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'\xef\xbb\xbf{"prompt": "a"}\r\n')))
    assert list(read_prompts(PromptSource("-"))) == ["a"]


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    with gzip.open(path, "wt", compresslevel=1) as out:
        for i in range(100_000):
            out.write(json.dumps({"prompt": f"{i} " + "word " * 20}) + "\n")
    tracemalloc.start()
    assert sum(1 for _ in read_prompts(PromptSource(str(path)))) == 100_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_fingerprint_changes_with_the_files(tmp_path: Path) -> None:
    source = PromptSource(str(tmp_path))
    write_jsonl(tmp_path / "a.jsonl", ["a"])
    before = source_fingerprint(source)
    assert source_fingerprint(source) == before
    write_jsonl(tmp_path / "b.jsonl", ["b"])
    assert source_fingerprint(source) != before


@given(st.lists(st.text(max_size=20)), st.integers(1, 5), st.integers(1, 30))
def test_batches_hold_everything_in_order_within_their_bounds(prompts: list[str], count: int, characters: int) -> None:
    made = list(batches(prompts, count, characters))
    assert [p for batch in made for p in batch] == prompts
    assert all(len(b) <= count and (len(b) == 1 or sum(map(len, b)) <= characters) for b in made)


@pytest.mark.parametrize("kept", [1, 9, 200, -4, -1])
def test_a_zstandard_file_that_was_cut_off_is_not_taken_for_a_shorter_one(tmp_path: Path, kept: int) -> None:
    content = b"".join(b"prompt %d\n" % number for number in range(20_000))
    packed = zstandard.compress(content) + zstandard.compress(content)
    path = tmp_path / "prompts.txt.zst"
    path.write_bytes(packed[:kept])
    with pytest.raises(UnreadableFile, match="cut off"):
        list(read_prompts(PromptSource(str(path))))
    path.write_bytes(packed)
    assert len(list(read_prompts(PromptSource(str(path))))) == 40_000


@pytest.mark.parametrize("filling", [b"x" * 1000, b'"\n",' * 250])
def test_a_row_of_csv_without_an_end_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filling: bytes
) -> None:
    """A small packed file may hold any number of bytes: one line, or one row over many lines."""
    limit = 1 << 20
    monkeypatch.setattr(formats, "LINE_BYTES_MAX", limit)
    path = tmp_path / "prompts.csv.gz"
    path.write_bytes(gzip.compress(b"prompt\n" + filling * 10_000))
    tracemalloc.start()
    try:
        with pytest.raises(BadPromptLine, match="longer than 1 MiB"):
            list(read_prompts(PromptSource(str(path))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * limit


def test_a_json_array_beyond_the_bound_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "ARRAY_BYTES_MAX", 1 << 20)
    path = tmp_path / "prompts.json.gz"
    path.write_bytes(gzip.compress(b"[" + b'"w1 w2",' * (4 << 20) + b'"w3"]'))
    tracemalloc.start()
    try:
        with pytest.raises(BadPromptLine, match="larger than 1 MiB; convert it to JSON Lines"):
            list(read_prompts(PromptSource(str(path))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20
    path.write_bytes(gzip.compress(b'["w1 w2", "w3"]'))
    assert list(read_prompts(PromptSource(str(path)))) == ["w1 w2", "w3"]


@pytest.mark.parametrize("location", ["", "~nobody-of-this-name/prompts", "x" * 5000, "a\0b", "*\0"])
def test_locations_that_cannot_be_looked_up(location: str) -> None:
    with pytest.raises(NoSuchPrompts):
        source_fingerprint(PromptSource(location))
