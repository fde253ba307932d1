"""Counting on a real Dask cluster of several processes: the same bits as here, also when a worker is killed."""

import gc
import json
import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from ridgeway import samples
from ridgeway.cli.main import ridgeway
from ridgeway.embedders import load_embedder
from ridgeway.engines.cluster import count_on_cluster
from ridgeway.engines.cluster_address import BadEngine, ClusterTls, scheduler_address
from ridgeway.engines.local import count_here
from ridgeway.engines.outcome import EngineError
from ridgeway.manifest import FeatureMap, Manifest, MassRule, PooledSettings, PrivacySettings
from ridgeway.node.assignment import Assignment
from ridgeway.node.prompts import BadPromptLine, PromptSource, ReadReport
from ridgeway.node.prompts.errors import NoSuchPrompts
from ridgeway.runtime.remote_errors import Unreachable

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

EMBEDDER = load_embedder("builtin")
PARTITION_BYTES = 6_000
WORKERS = 3


@pytest.fixture(autouse=True, scope="module")
def sockets_that_dask_leaves_open() -> Iterator[None]:
    """A connection whose other end was killed is left to the garbage collector, which warns; let it do so here."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as running:
        yield running


def engine_of(cluster: Any) -> str:
    return str(cluster.scheduler_address).replace("tcp://", "dask://")


def assignment(feature_map: FeatureMap) -> Assignment:
    pooled = PooledSettings(columns=64)
    return Assignment(Manifest("test", EMBEDDER.fingerprint, feature_map, pooled), "builtin", 0.1, b"k" * 32)


def corpus(folder: Path) -> list[PromptSource]:
    """Some files, one of which is large enough for many partitions, and one compressed."""
    folder.mkdir()
    prompts = [
        orjson.loads(line)["prompt"]
        for domain in ("coding", "legal", "medical")
        for line in samples.train_path(domain).read_text().splitlines()
    ]
    lines = [orjson.dumps({"prompt": f"{prompt} {index % 97}"}) + b"\n" for index, prompt in enumerate(prompts * 6)]
    (folder / "large.jsonl").write_bytes(b"".join(lines[200:]))
    (folder / "few.jsonl").write_bytes(b"".join(lines[:100]).rstrip())
    (folder / "plain.txt").write_text("\n".join(prompts[:50]))
    return [PromptSource(str(folder)), PromptSource((folder / "few.jsonl").as_uri())]


def quiet(_: ReadReport) -> None:
    pass


@pytest.mark.parametrize("feature_map", list(FeatureMap))
def test_a_cluster_that_loses_a_worker_gives_the_same_bits(
    feature_map: FeatureMap, cluster: Any, tmp_path: Path
) -> None:
    sources, wanted = corpus(tmp_path / "prompts"), assignment(feature_map)
    here = count_here("law", sources, wanted, EMBEDDER, quiet)
    killed: list[int] = []
    done: list[int] = []

    def kill_one(report: ReadReport) -> None:
        done.append(report.bytes_done)
        if len(done) == 4:
            with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                killed.append(min(client.run(os.getpid).values()))
            os.kill(killed[0], signal.SIGKILL)

    there = count_on_cluster(
        engine_of(cluster), None, "law", sources, wanted, EMBEDDER, kill_one, partition_bytes=PARTITION_BYTES
    )
    assert killed
    assert len(done) > 10
    assert there.sums.to_bytes() == here.sums.to_bytes()
    assert done[-1] == there.report.bytes_total == here.report.bytes_total
    assert there.report.files == here.report.files


@pytest.mark.parametrize("skip_bad", [True, False])
def test_bad_lines_are_named_as_here(skip_bad: bool, cluster: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    good = b'{"prompt": "is this contract void"}\n'
    path.write_bytes(good * 400 + b"rubbish\n" + good * 900 + b"\n[1]\n" + good * 300 + b'{"prompt": 3}')
    source, wanted = PromptSource(str(path), skip_bad=skip_bad), assignment(FeatureMap.TOKENS)
    arguments = (engine_of(cluster), None, "law", [source], wanted, EMBEDDER, quiet, PARTITION_BYTES)
    if skip_bad:
        here, there = count_here("law", [source], wanted, EMBEDDER, quiet), count_on_cluster(*arguments)
        assert there.sums.to_bytes() == here.sums.to_bytes()
        named = [(skip.location, skip.line, skip.problem) for skip in there.report.first_skips]
        assert named == [(skip.location, skip.line, skip.problem) for skip in here.report.first_skips]
        assert [line for _, line, _ in named] == [401, 1303, 1604]
        return
    with pytest.raises(BadPromptLine) as here_caught:
        count_here("law", [source], wanted, EMBEDDER, quiet)
    with pytest.raises(BadPromptLine) as there_caught:
        count_on_cluster(*arguments)
    assert str(there_caught.value) == str(here_caught.value)
    assert there_caught.value.line == 401


def test_the_command_counts_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    wanted = assignment(FeatureMap.POOLED)
    wanted.write(tmp_path / "manifest.json")
    corpus(tmp_path / "prompts")
    arguments = ["statistics", str(tmp_path / "prompts"), "--manifest", str(tmp_path / "manifest.json"), "--json", "-o"]
    digests = set()
    for more in ([], ["--engine", engine_of(cluster)]):
        result = CliRunner().invoke(ridgeway, [*arguments, str(tmp_path / "law.stats"), *more])
        assert result.exit_code == 0, result.output
        digests.add(json.loads(result.stdout)["sha256"])
    assert len(digests) == 1


def test_a_cluster_with_tls_is_reached_with_certificates_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ridgeway.engines.cluster.CONNECT_WAIT_S", 3.0)
    sources, wanted = corpus(tmp_path / "prompts")[1:], assignment(FeatureMap.TOKENS)
    temporary = distributed.Security.temporary()
    tls = ClusterTls(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    tls.ca.write_text(temporary.tls_ca_file)
    tls.certificate.write_text(temporary.tls_client_cert)
    tls.key.write_text(temporary.tls_client_key)
    with distributed.LocalCluster(
        n_workers=1, processes=False, security=temporary, host="tls://127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        engine = cluster.scheduler_address.replace("tls://", "dask://")
        there = count_on_cluster(engine, tls, "law", sources, wanted, EMBEDDER, quiet)
        assert there.sums.to_bytes() == count_here("law", sources, wanted, EMBEDDER, quiet).sums.to_bytes()
        with pytest.raises(Unreachable):
            count_on_cluster(engine, None, "law", sources, wanted, EMBEDDER, quiet)


def test_what_a_cluster_cannot_do_is_said(cluster: Any, tmp_path: Path) -> None:
    sources, wanted = corpus(tmp_path / "prompts"), assignment(FeatureMap.POOLED)
    with pytest.raises(NoSuchPrompts):
        missing = [PromptSource("file:///nowhere/x.jsonl")]
        count_on_cluster(engine_of(cluster), None, "law", missing, wanted, EMBEDDER, quiet)
    other = replace(wanted, manifest=replace(wanted.manifest, embedder=replace(EMBEDDER.fingerprint, dimension=5)))
    with pytest.raises(EngineError, match="put the federation's embedder on every worker"):
        count_on_cluster(engine_of(cluster), None, "law", sources, other, EMBEDDER, quiet)
    privacy = PrivacySettings(3.0, 1e-6, 1, 0.1, "00")
    plain = PooledSettings(columns=0)
    private = replace(wanted, manifest=replace(wanted.manifest, pooled=plain, mass=MassRule.TOKENS, privacy=privacy))
    with pytest.raises(EngineError, match="differential privacy"):
        count_on_cluster(engine_of(cluster), None, "law", sources, private, EMBEDDER, quiet)


def test_nobody_there_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ridgeway.engines.cluster.CONNECT_WAIT_S", 0.5)
    sources = corpus(tmp_path / "prompts")
    with pytest.raises(Unreachable, match="no Dask scheduler"):
        count_on_cluster("dask://127.0.0.1:1", None, "law", sources, assignment(FeatureMap.TOKENS), EMBEDDER, quiet)


@pytest.mark.parametrize(
    ("engine", "encrypted", "address"),
    [
        ("dask://localhost:8786", False, "tcp://localhost:8786"),
        ("dask://[::1]:8786", False, "tcp://[::1]:8786"),
        ("dask://cluster.example:8786", True, "tls://cluster.example:8786"),
    ],
)
def test_addresses_in_dasks_terms(engine: str, encrypted: bool, address: str) -> None:
    assert scheduler_address(engine, encrypted=encrypted) == address


@pytest.mark.parametrize(
    "engine", ["spark://a:1", "dask://a", "dask://:1", "dask://a:x", "a:1", "dask://u:p@127.0.0.1:1"]
)
def test_what_is_no_engine_is_refused(engine: str) -> None:
    with pytest.raises(BadEngine, match="dask://HOST:PORT"):
        scheduler_address(engine, encrypted=True)


def test_another_machine_without_encryption_is_refused() -> None:
    with pytest.raises(BadEngine, match="--dask-tls-ca"):
        scheduler_address("dask://192.0.2.1:8786", encrypted=False)
