"""The comparison of routers: what is measured is what happened, and a missing extra is said."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from toy import WORDS, toy_embedder, write_toy_embedder

from ridgeway.baselines.chance import Chance
from ridgeway.baselines.encoders import sentence_encoder, static_encoder
from ridgeway.baselines.federated import Federated, NotTrained
from ridgeway.baselines.method import NotInstalled
from ridgeway.baselines.over_vectors import frozen_encoder, nearest_neighbours
from ridgeway.baselines.tfidf import TfidfRegression
from ridgeway.cli.comparison_run import accuracy_by_top_k, compare
from ridgeway.cli.main import ridgeway
from ridgeway.evaluation import bootstrap_interval, evaluate
from ridgeway.manifest import FeatureMap, Manifest, PooledSettings

EMBEDDER = toy_embedder()


def domain(first: int, count: int) -> list[str]:
    return [" ".join(WORDS[first + (i * step) % 12] for step in (1, 5, 7)) for i in range(count)]


TRAIN = {"law": domain(0, 40), "math": domain(12, 40), "medicine": domain(24, 40)}
TEST = {"law": domain(0, 15), "math": domain(12, 15), "medicine": domain(24, 15)}


def accuracy_of(method: Chance | Federated | TfidfRegression) -> float:
    method.train(TRAIN)
    chosen = method.choose([prompt for part in TEST.values() for prompt in part])
    return evaluate([name for name, part in TEST.items() for _ in part], chosen, sorted(TEST)).balanced_accuracy


def test_a_federation_learns_and_says_what_it_sent() -> None:
    manifest = Manifest("test", EMBEDDER.fingerprint, FeatureMap.POOLED, PooledSettings(columns=16))
    method = Federated("ours", EMBEDDER, manifest)
    with pytest.raises(NotTrained, match="train it first"):
        method.choose(["w1"])
    assert accuracy_of(method) > 0.9
    assert method.sent_bytes() == dict.fromkeys(TRAIN, 8 * 23 * 24 // 2)
    assert method.router_bytes() > 8 * 23 * 3
    assert method.choose(["", "unheard"]) == [None, None]


def test_chance_is_chance() -> None:
    method = Chance()
    method.train(TRAIN)
    chosen = method.choose(["w1"] * 3000)
    assert all(800 < chosen.count(name) < 1200 for name in TRAIN)
    assert set(method.sent_bytes().values()) == {0}


def test_classifiers_that_see_everything_learn_too() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is an extra")
    central = TfidfRegression()
    assert accuracy_of(central) > 0.9
    assert central.sent_bytes()["law"] == sum(len(prompt) for prompt in TRAIN["law"])
    static = static_encoder(EMBEDDER)
    vectors = static(TRAIN["law"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    calls: list[int] = []

    def encoder(prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        calls.append(len(prompts))
        return static(prompts)

    for method in (nearest_neighbours("neighbours", encoder), frozen_encoder("frozen", encoder)):
        method.train(TRAIN)
        assert method.choose(TEST["math"]).count("math") >= 10
        assert method.router_bytes() > 0
        assert method.sent_bytes() == central.sent_bytes()
    assert calls == [120, 15, 120, 15]


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    monkeypatch.setitem(sys.modules, "sklearn.neighbors", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    for make in (
        TfidfRegression,
        lambda: nearest_neighbours("", static_encoder(EMBEDDER)),
        lambda: frozen_encoder("", static_encoder(EMBEDDER)),
    ):
        with pytest.raises(NotInstalled, match=r"ridgeway\[compare\]"):
            make()
    with pytest.raises(NotInstalled, match=r"ridgeway\[sentence\]"):
        sentence_encoder("any")
    results = {result.name: result for result in compare(TRAIN, TEST, EMBEDDER)}
    assert results["TF-IDF + logistic regression, central"].evaluation is None
    assert "pip install" in results["TF-IDF + logistic regression, central"].left_out
    ours = results["Ridgeway, pooled"]
    assert ours.evaluation is not None
    assert ours.evaluation.balanced_accuracy > 0.9
    assert ours.prompts_per_s > 0


def test_the_interval_holds_the_accuracy_and_narrows_with_prompts() -> None:
    few = evaluate(["a"] * 10 + ["b"] * 10, ["a"] * 8 + ["b"] * 12, ["a", "b"])
    many = evaluate(["a"] * 1000 + ["b"] * 1000, ["a"] * 800 + ["b"] * 1200, ["a", "b"])
    assert few.balanced_accuracy == many.balanced_accuracy == 0.9
    (low, high), (narrow_low, narrow_high) = bootstrap_interval(few), bootstrap_interval(many)
    assert low < narrow_low < 0.9 < narrow_high < high
    assert narrow_high - narrow_low == pytest.approx(2 * 1.96 * (0.2 * 0.8 / 1000) ** 0.5 / 2, rel=0.1)
    assert bootstrap_interval(few) == (low, high)


def test_accuracy_by_votes_is_measured_for_each_number() -> None:
    made = accuracy_by_top_k(TRAIN, TEST, EMBEDDER)
    assert [top_k for top_k, _ in made][:3] == [1, 2, 3]
    assert all(0 <= accuracy <= 1 for _, accuracy in made)


def test_the_command_compares_and_draws(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is an extra")
    for folder, prompts in (("train", TRAIN), ("test", TEST)):
        (tmp_path / folder).mkdir()
        for name, part in prompts.items():
            lines = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in part)
            (tmp_path / folder / f"{name}.jsonl").write_text(lines)
    embedder = write_toy_embedder(tmp_path / "embedder")
    options = ["--train", str(tmp_path / "train"), "--test", str(tmp_path / "test"), "--embedder", str(embedder)]
    done = CliRunner().invoke(ridgeway, ["eval", *options, "--compare", "--plot", str(tmp_path / "plots"), "--json"])
    assert done.exit_code == 0, done.output
    # An older click mixes the progress, which goes to standard error, into what it captures.
    documents = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    assert documents[0]["method"] == "Ridgeway, pooled"
    low, high = documents[0]["interval_95"]
    assert low <= documents[0]["balanced_accuracy"] <= high
    drawn = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert drawn == [f"{n}.{s}" for n in ("accuracy-by-top-k", "comparison", "confusion") for s in ("png", "svg")]
    assert all(path.stat().st_size > 2000 for path in (tmp_path / "plots").iterdir())
    alone = CliRunner().invoke(ridgeway, ["eval", *options, "--plot", str(tmp_path)])
    assert alone.exit_code != 0
