"""A router as bytes: the same on the wire and on disk, with magic, version and checksum in front.

Layout: 4 bytes b"RWRT", version (uint16, little endian), SHA-256 of the rest (32 bytes), a serialised RouterArtifact.
"""

import hashlib
import struct
from collections.abc import Iterator

import numpy as np

from ridgeway.calibration import Calibration
from ridgeway.errors import RidgewayError
from ridgeway.manifest import DecisionRule, ManifestError, RoutingSettings
from ridgeway.proto import messages as m
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.proto.experts import expert_message, expert_of
from ridgeway.router import RouterWeights

MAGIC = b"RWRT"
ARTIFACT_VERSION = 1
_HEADER = struct.Struct("<4sH32s")

# One piece of the feed: large enough for few messages, far below gRPC's limit of 4 MiB.
PIECE_BYTES = 512 * 1024
# The largest artifact a node takes: 8193 x 1000 weights are 65 MB. A bound, so that a feed cannot fill the memory.
ARTIFACT_BYTES_MAX = 128 * 1024 * 1024


class BadRouterArtifact(RidgewayError):
    """Bytes that are no router, or a damaged one."""


def encode_router(router: RouterWeights, published_unix_ms: int) -> bytes:
    """A router as an artifact."""
    calibration = router.calibration
    body = encode(
        m.RouterArtifact(
            version=router.version,
            domains=router.domains,
            dimension=router.weights.shape[0],
            weights=np.ascontiguousarray(router.weights, dtype="<f8").tobytes(),
            ridge=router.ridge,
            sum_digest=router.sum_digest,
            manifest_digest=router.manifest_digest,
            experts=tuple(map(expert_message, router.experts)),
            published_unix_ms=published_unix_ms,
            edition=router.edition,
            inverse_temperature=calibration.inverse_temperature if calibration else 0.0,
            calibration_prompts=calibration.prompts if calibration else 0,
            calibration_error=calibration.expected_error if calibration else 0.0,
            rule=router.routing.rule if router.routing else "",
            top_k=router.routing.top_k if router.routing else 0,
        )
    )
    return _HEADER.pack(MAGIC, ARTIFACT_VERSION, hashlib.sha256(body).digest()) + body


def decode_router(data: bytes) -> tuple[RouterWeights, int]:
    """The router of an artifact, and when it was published (milliseconds since the epoch).

    Raises:
        BadRouterArtifact: no router, one of a newer format, or damaged bytes.
    """
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise BadRouterArtifact("these bytes are no router; fetch it again from the coordinator")
    _, version, checksum = _HEADER.unpack_from(data)
    if version != ARTIFACT_VERSION:
        raise BadRouterArtifact(f"this router has format {version}; upgrade ridgeway to a release that knows it")
    body = data[_HEADER.size :]
    if hashlib.sha256(body).digest() != checksum:
        raise BadRouterArtifact("this router is damaged; fetch it again from the coordinator")
    try:
        artifact = decode(m.RouterArtifact, body)
    except MalformedMessage as error:
        raise BadRouterArtifact("this router does not parse; fetch it again from the coordinator") from error
    return _weights(artifact), artifact.published_unix_ms


def pieces(version: int, edition: int, artifact: bytes) -> Iterator[m.RouterChunk]:
    """An artifact cut into the messages of the feed."""
    for offset in range(0, len(artifact), PIECE_BYTES):
        yield m.RouterChunk(version, len(artifact), offset, artifact[offset : offset + PIECE_BYTES], edition)


def _weights(artifact: m.RouterArtifact) -> RouterWeights:
    shape = (artifact.dimension, len(artifact.domains))
    if len(artifact.weights) != 8 * shape[0] * shape[1]:
        raise BadRouterArtifact(f"this router's weights are not {shape[0]} x {shape[1]} numbers; fetch it again")
    values = np.frombuffer(artifact.weights, dtype="<f8")
    if not np.isfinite(values).all():
        raise BadRouterArtifact("this router's weights are not finite; fetch it again")
    if len(set(artifact.domains)) != shape[1] or 0 in shape:
        raise BadRouterArtifact("this router has no domains, or names one twice; fetch it again")
    if not all(_is_cost(cost) for expert in artifact.experts for cost in (expert.price, expert.latency_ms)):
        raise BadRouterArtifact("a price or latency in this router is no number that counts; fetch it again")
    return RouterWeights(
        version=artifact.version,
        domains=artifact.domains,
        weights=values.reshape(shape),
        ridge=artifact.ridge,
        sum_digest=artifact.sum_digest,
        manifest_digest=artifact.manifest_digest,
        experts=tuple(map(expert_of, artifact.experts)),
        calibration=_calibration(artifact),
        routing=_routing(artifact),
        edition=artifact.edition,
    )


def _is_cost(cost: float | None) -> bool:
    return cost is None or 0.0 <= cost < float("inf")


def _calibration(artifact: m.RouterArtifact) -> Calibration | None:
    if not 0.0 <= artifact.inverse_temperature < float("inf"):
        raise BadRouterArtifact("this router's temperature is no positive number; fetch it again")
    if artifact.inverse_temperature == 0.0:
        return None
    return Calibration(artifact.inverse_temperature, artifact.calibration_prompts, artifact.calibration_error)


def _routing(artifact: m.RouterArtifact) -> RoutingSettings | None:
    if not artifact.rule:
        return None
    try:
        return RoutingSettings(DecisionRule(artifact.rule), artifact.top_k)
    except (ValueError, ManifestError) as error:
        raise BadRouterArtifact(
            f"this router decides by {artifact.rule[:40]!r}; upgrade ridgeway to a release that knows it"
        ) from error
