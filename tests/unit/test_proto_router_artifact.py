"""A router artifact comes back bit for bit, or not at all."""

import numpy as np
import pytest

from ridgeway.proto.messages import RouterArtifact
from ridgeway.proto.router_artifact import (
    MAGIC,
    PIECE_BYTES,
    BadRouterArtifact,
    decode_router,
    encode_router,
    pieces,
)
from ridgeway.router import Expert, RouterWeights


def router(dimension: int = 5, value: float = 0.5) -> RouterWeights:
    weights = np.random.default_rng(7).normal(size=(dimension, 2))
    weights[0, 0] = value
    return RouterWeights(
        version=3,
        domains=("law", "math"),
        weights=weights,
        ridge=0.01,
        sum_digest=b"s" * 32,
        manifest_digest=b"m" * 32,
        experts=(Expert(owner="firm", domain="law", url="https://llm.example/v1", model="law-8b"),),
    )


def test_a_router_comes_back_bit_for_bit() -> None:
    made = router()
    read, published = decode_router(encode_router(made, 1234))
    assert published == 1234
    assert read.weights.tobytes() == made.weights.tobytes()
    assert (read.version, read.domains, read.ridge) == (made.version, made.domains, made.ridge)
    assert (read.sum_digest, read.manifest_digest) == (made.sum_digest, made.manifest_digest)
    assert read.experts == made.experts


@pytest.mark.parametrize("position", [0, 4, 10, 60, -1])
def test_one_changed_byte_is_noticed(position: int) -> None:
    data = bytearray(encode_router(router(), 1))
    data[position] ^= 1
    with pytest.raises(BadRouterArtifact):
        decode_router(bytes(data))


@pytest.mark.parametrize("length", [0, 3, 37, 60])
def test_a_cut_off_artifact_is_noticed(length: int) -> None:
    with pytest.raises(BadRouterArtifact):
        decode_router(encode_router(router(), 1)[:length])


def test_a_newer_format_says_upgrade() -> None:
    data = bytearray(encode_router(router(), 1))
    data[len(MAGIC)] = 2
    with pytest.raises(BadRouterArtifact, match="upgrade"):
        decode_router(bytes(data))


def test_weights_that_are_not_finite_are_refused() -> None:
    with pytest.raises(BadRouterArtifact, match="finite"):
        decode_router(encode_router(router(value=float("nan")), 1))


def test_the_pieces_add_up_to_the_artifact() -> None:
    artifact = encode_router(router(dimension=60_000), 1)
    cut = list(pieces(3, 2, artifact))
    assert len(cut) == -(-len(artifact) // PIECE_BYTES) > 1
    assert b"".join(piece.data for piece in cut) == artifact
    assert [piece.offset for piece in cut] == [i * PIECE_BYTES for i in range(len(cut))]
    assert {(piece.version, piece.edition, piece.total_bytes) for piece in cut} == {(3, 2, len(artifact))}


def test_the_weights_do_not_show_in_a_repr() -> None:
    assert "secret" not in repr(RouterArtifact(weights=b"secret"))
