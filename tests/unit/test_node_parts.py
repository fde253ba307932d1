"""The small parts of a node: the feed's assembly, requests, retries, renewal, the router on disk."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest
import toy

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key, signing_request
from ridgeway.manifest import Manifest
from ridgeway.node import persistence
from ridgeway.node.link import CertificateExpired, Link, is_transient
from ridgeway.node.persistence import TRIES_MAX, persist
from ridgeway.node.renewal import PAUSE_S_MIN, seconds_left
from ridgeway.node.request import BadJoinRequest, check_request, with_absolute_paths
from ridgeway.node.router_feed import ArtifactAssembly
from ridgeway.node.router_store import ForeignRouter, RouterStore
from ridgeway.proto import messages as m
from ridgeway.proto.router_artifact import ARTIFACT_BYTES_MAX, BadRouterArtifact, encode_router
from ridgeway.router import RouterWeights
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.remote_errors import Refused, Unreachable
from ridgeway.runtime.tls import MemberTls

NOW = datetime(2026, 6, 6, tzinfo=UTC)
Code = grpc.StatusCode


def piece(version: int, offset: int, data: bytes, total: int = 6) -> m.RouterChunk:
    return m.RouterChunk(version, total, offset, data)


def test_pieces_become_an_artifact() -> None:
    assembly = ArtifactAssembly()
    assert assembly.add(piece(1, 0, b"abc")) is None
    assert assembly.add(piece(1, 3, b"def")) == b"abcdef"
    assert assembly.add(piece(2, 0, b"ghijkl")) == b"ghijkl"


def test_a_newer_version_in_the_middle_starts_over() -> None:
    assembly = ArtifactAssembly()
    assembly.add(piece(1, 0, b"abc"))
    assert assembly.add(piece(2, 0, b"ghijkl")) == b"ghijkl"


@pytest.mark.parametrize(
    "bad",
    [
        piece(1, 4, b"ef"),
        piece(1, 3, b"defg"),
        piece(1, 0, b"abc"),
        piece(1, 3, b"def", total=ARTIFACT_BYTES_MAX + 1),
        piece(2, 3, b"def"),
    ],
)
def test_pieces_out_of_bounds_are_refused(bad: m.RouterChunk) -> None:
    assembly = ArtifactAssembly()
    assembly.add(piece(1, 0, b"abc"))
    with pytest.raises(BadRouterArtifact):
        assembly.add(bad)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (Unreachable("away"), True),
        (Refused(Code.INTERNAL, "failed"), True),
        (Refused(Code.DATA_LOSS, "damaged"), True),
        (Refused(Code.PERMISSION_DENIED, "revoked"), False),
        (Refused(Code.INVALID_ARGUMENT, "no Gram matrix"), False),
        (BadJoinRequest("no"), False),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient  # type: ignore[arg-type]


@pytest.mark.parametrize("failures", [TRIES_MAX - 1, TRIES_MAX])
async def test_tries_are_bounded_and_told(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "jittered", lambda backoff: 0.0 * backoff.failed(0.0))
    told: list[Exception] = []

    async def attempt() -> int:
        if len(told) < failures:
            raise Unreachable("away")
        return 7

    if failures < TRIES_MAX:
        assert await persist(attempt, told.append) == 7
    else:
        with pytest.raises(Unreachable):
            await persist(attempt, told.append)
    assert len(told) == TRIES_MAX - 1


async def test_a_refusal_is_not_tried_again() -> None:
    tries: list[int] = []

    async def attempt() -> None:
        tries.append(1)
        raise Refused(Code.PERMISSION_DENIED, "revoked")

    with pytest.raises(Refused):
        await persist(attempt, lambda _: None)
    assert len(tries) == 1


def test_a_domain_named_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("w1\n")
    source = m.PromptSource("math", str(file))
    with pytest.raises(BadJoinRequest, match="twice"):
        check_request(m.JoinRequest(sources=(source, source)), set())
    with pytest.raises(BadJoinRequest, match="one domain"):
        inputs = (m.PromptSource("math", "-"), m.PromptSource("law", "-"))
        check_request(m.JoinRequest(sources=inputs), set())


@pytest.mark.parametrize("url", ["ftp://host/v1", "http://", "http://[::1", "host:8000"])
def test_an_expert_needs_a_url_that_can_be_called(url: str) -> None:
    with pytest.raises(BadJoinRequest, match="expert for math"):
        check_request(m.JoinRequest(experts=(m.Expert("", "math", url, "m"),)), {"math"})


def test_paths_become_absolute_and_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "builtin").mkdir()
    sources = (m.PromptSource("math", "a*.txt"), m.PromptSource("law", "-"))
    there = with_absolute_paths(m.JoinRequest(sources=sources, embedder="model"))
    assert [source.location for source in there.sources] == [str(tmp_path / "a*.txt"), "-"]
    assert there.embedder == str(tmp_path / "model")
    for name in ("", "builtin", "owner/model"):
        assert with_absolute_paths(m.JoinRequest(embedder=name)).embedder == name


async def test_a_link_is_renewed_in_time_and_says_when_it_is_too_late() -> None:
    authority, key = CertificateAuthority.create("f", NOW), new_tls_key()
    certificate = authority.issue_member(signing_request(key, "alpha"), "alpha", NOW, timedelta(hours=24))
    link = Link("localhost:1", MemberTls(authority.certificate_pem, certificate, key))
    try:
        assert 13 * 3600 < seconds_left(link, NOW, 0.5) < 17 * 3600
        assert seconds_left(link, NOW + timedelta(hours=20), 0.5) == PAUSE_S_MIN
        link.require_valid(NOW + timedelta(hours=23))
        with pytest.raises(CertificateExpired, match="new invitation"):
            link.require_valid(NOW + timedelta(hours=24))
    finally:
        await link.close()


async def test_a_router_store_keeps_the_newest_and_refuses_strangers(tmp_path: Path) -> None:
    embedder = toy.toy_embedder()
    manifest = Manifest("f", embedder.fingerprint)
    weights = np.random.default_rng(0).normal(size=(manifest.dimension, 2))
    router = RouterWeights(3, ("law", "math"), weights, 0.01, b"s" * 32, manifest.digest())
    store = RouterStore(DataDirectory(tmp_path, "node", create=True))
    await store.replace(encode_router(router, 0), embedder, manifest)
    await store.replace(encode_router(replace(router, version=2), 0), embedder, manifest)
    assert (store.version, store.version_on_disk()) == (3, 3)
    for stranger in (
        replace(router, version=4, manifest_digest=b"m" * 32),
        replace(router, version=4, weights=weights[:-1]),
    ):
        with pytest.raises(ForeignRouter):
            await store.replace(encode_router(stranger, 0), embedder, manifest)
    with pytest.raises(BadRouterArtifact):
        await store.replace(encode_router(router, 0)[:-1], embedder, manifest)
    assert (store.version, store.version_on_disk()) == (3, 3)
