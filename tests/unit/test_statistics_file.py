"""Statistics as a file: what is written comes back, what is damaged or foreign is refused. Sources in partitions."""

import stat
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import toy_embedder

from ridgeway.engines.local import count_here
from ridgeway.features import Features, OtherFeatures
from ridgeway.manifest import FeatureMap, Manifest, PooledSettings
from ridgeway.node.assignment import Assignment, BadAssignment
from ridgeway.node.prompts import PromptSource, ReadReport, read_prompts
from ridgeway.node.prompts.errors import MissingExtra, NoSuchPrompts
from ridgeway.node.prompts.partitions import LineRange, partitions, read_partition
from ridgeway.node.statistics_file import BadStatisticsFile, DomainSums
from ridgeway.runtime.private_file import NotPrivate
from ridgeway.statistics import NoTokens, Sums

EMBEDDER = toy_embedder()
TOKENS = Assignment(Manifest("test", EMBEDDER.fingerprint), "toy", 0.3, b"k" * 32)
POOLED = replace(
    TOKENS, manifest=replace(TOKENS.manifest, feature_map=FeatureMap.POOLED, pooled=PooledSettings(columns=16))
)


def counted(folder: Path, assignment: Assignment = TOKENS) -> DomainSums:
    path = folder / "law.jsonl"
    path.write_text("".join(f'{{"prompt": "w{n % 30} w{n % 7} w{n % 11}"}}\n' for n in range(90)))
    return count_here("law", [PromptSource(str(path))], assignment, EMBEDDER, lambda _: None).sums


@pytest.mark.parametrize("assignment", [TOKENS, POOLED])
def test_statistics_come_back_and_are_private(assignment: Assignment, tmp_path: Path) -> None:
    made = counted(tmp_path, assignment)
    assert made.hold_out
    made.write(tmp_path / "law.stats")
    read = DomainSums.read(tmp_path / "law.stats")
    assert stat.S_IMODE((tmp_path / "law.stats").stat().st_mode) == 0o600
    assert read.to_bytes() == made.to_bytes()
    assert np.array_equal(read.sums.numbers, made.sums.numbers)
    assert read.hold_out == made.hold_out
    assert (read.domain, read.sums.rows, read.prompts) == ("law", made.sums.rows, 90)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_any_changed_byte_or_cut_is_refused(data: st.DataObject) -> None:
    whole = bytearray(_WHOLE)
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
    else:
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    with pytest.raises(BadStatisticsFile):
        DomainSums.from_bytes(bytes(whole))


@pytest.mark.parametrize(
    "change",
    [
        {"sums_rows": 7},
        {"negative": True},
        {"foreign_ids": True},
        {"other_map": True},
    ],
)
def test_numbers_that_no_counting_gives_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    made = counted(tmp_path)
    numbers = made.sums.numbers.copy()
    if "negative" in change:
        numbers[np.flatnonzero(numbers)[:2]] += np.array([-1000, 1000])
    rows = 7 if "sums_rows" in change else made.sums.rows
    hold_out = [[EMBEDDER.vocabulary_size]] if "foreign_ids" in change else made.hold_out
    features = Features.of(POOLED.manifest) if "other_map" in change else made.features
    forged = replace(
        made, sums=replace(made.sums, numbers=numbers, rows=rows), hold_out=hold_out, features=features
    ).to_bytes()
    with pytest.raises(BadStatisticsFile, match="do not fit"):
        DomainSums.from_bytes(forged)


def test_a_file_of_something_else_or_a_newer_release_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(BadStatisticsFile, match="cannot be read"):
        DomainSums.read(path)
    path.write_bytes(b"prompt\n" * 40)
    with pytest.raises(BadStatisticsFile, match="holds no statistics"):
        DomainSums.read(path)
    newer = bytearray(_WHOLE)
    newer[4] = 9
    path.write_bytes(newer)
    with pytest.raises(BadStatisticsFile, match="format 9"):
        DomainSums.read(path)


def test_other_features_are_refused_by_both_names() -> None:
    ours, federation = Features.of(TOKENS.manifest), Features.of(POOLED.manifest)
    with pytest.raises(OtherFeatures, match=r"tokens features.*pooled features, 16 columns.*ridgeway manifest"):
        ours.check_same(federation)
    renamed = replace(ours, embedder=replace(ours.embedder, name="elsewhere"))
    renamed.check_same(ours)
    assert Features.from_document(federation.to_document()) == federation


def test_an_assignment_comes_back_and_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    POOLED.write(path)
    assert Assignment.read(path) == POOLED
    assert "6b6b" not in repr(POOLED)
    path.chmod(0o644)
    with pytest.raises(NotPrivate):
        Assignment.read(path)
    path.write_text("{}")
    path.chmod(0o600)
    with pytest.raises(BadAssignment):
        Assignment.read(path)


@settings(deadline=None)
@given(
    lines=st.lists(st.sampled_from(["", " ", '{"prompt": "w1 w2"}', '"w3"', "[1]", "rubbish", '"ü w4"'])),
    end=st.sampled_from(["", "\n"]),
    size=st.integers(1, 60),
)
def test_any_division_into_ranges_reads_the_same(
    lines: list[str], end: str, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "ranges.jsonl"
    path.write_bytes(("\n".join(lines) + end).encode())
    source, whole = PromptSource(str(path), skip_bad=True), ReadReport()
    prompts = list(read_prompts(source, report=whole))
    read: list[str] = []
    skips: list[tuple[int, str]] = []
    blank = lines_before = 0
    for partition in partitions([source], size):
        report = ReadReport()
        read += read_partition(partition, report)
        blank += report.blank
        skips += [(partition.line_in_file(s.line, lines_before), s.problem) for s in report.first_skips]
        lines_before += report.lines
    assert (read, blank) == (prompts, whole.blank)
    assert skips[:10] == [(skip.line, skip.problem) for skip in whole.first_skips]


def test_a_range_begins_behind_the_line_before_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one\ntwo\nthree")
    with path.open("rb") as stream:
        lines = LineRange(stream, 4, 8)
        assert [lines.readline(100) for _ in range(3)] == [b"\n", b"two\n", b""]
        assert LineRange(stream, 5, 13).readline(100) == b"\n"


def test_prompts_in_any_storage_are_read_as_files_are(tmp_path: Path) -> None:
    counted(tmp_path)
    storage = fsspec.filesystem("memory")
    data = (tmp_path / "law.jsonl").read_bytes()
    for name in ("/prompts/a/law.jsonl", "/prompts/.hidden/x.jsonl", "/prompts/notes.bin"):
        storage.pipe(name, data)
    try:
        local = list(read_prompts(PromptSource(str(tmp_path / "law.jsonl"))))
        for url in ("memory://prompts", "memory://prompts/a/law.jsonl", "memory://prompts/a/*.jsonl"):
            assert list(read_prompts(PromptSource(url))) == local
        assert list(read_prompts(PromptSource((tmp_path / "law.jsonl").as_uri()))) == local
        for url, error in (("memory://nothing", NoSuchPrompts), ("nosuch://x/y.jsonl", NoSuchPrompts)):
            with pytest.raises(error):
                list(read_prompts(PromptSource(url)))
        with pytest.raises((MissingExtra, NoSuchPrompts)):
            list(read_prompts(PromptSource("gcs://bucket/y.jsonl")))
    finally:
        storage.rm("/prompts", recursive=True)


def test_prompts_without_a_token_make_no_statistics(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("   \n\n")
    with pytest.raises(NoTokens):
        count_here("law", [PromptSource(str(tmp_path / "x.txt"))], POOLED, EMBEDDER, lambda _: None)


def _whole() -> bytes:
    numbers = np.zeros(EMBEDDER.vocabulary_size, dtype=np.int64)
    numbers[3] = 5
    return DomainSums("law", Features.of(TOKENS.manifest), Sums(numbers, 5), [[1, 2], [3]], 5, 0, 0).to_bytes()


_WHOLE = _whole()
