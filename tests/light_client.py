"""A light owner for tests and benchmarks: the protocol without embedder, prompts or daemon."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

import grpc
import numpy as np
import numpy.typing as npt

from ridgeway import triangle
from ridgeway.crypto.certificates import new_tls_key, signing_request
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.invitation import Invitation
from ridgeway.crypto.labels import ENROLMENT_SIGNATURE
from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests
from ridgeway.embedder import EmbedderFingerprint
from ridgeway.manifest import Manifest
from ridgeway.narrow_integers import WIDTH_MAX, pack
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.records import RECORD_VERSION, sign_contribution, sign_withdrawal
from ridgeway.runtime.pinning import fetch_pinned_authority
from ridgeway.runtime.tls import MemberTls, enrolment_channel, member_channel

TIMEOUT_S = 30.0


def fingerprint(dimension: int, name: str = "toy") -> EmbedderFingerprint:
    """The fingerprint of an embedder that nobody has; a coordinator needs no more. `dimension` is D."""
    return EmbedderFingerprint(name, "a" * 64, "b" * 64, 1000, dimension - 1)


def random_contribution(seed: int, manifest: Manifest | None, rows: int = 20) -> npt.NDArray[np.int64]:
    """A valid contribution of mass 1: the Gram matrix of small integer rows, scaled exactly; int64[D (D + 1) / 2]."""
    assert manifest is not None, "enrol first"
    generator = np.random.default_rng(seed)
    x = generator.integers(-8, 9, size=(rows, manifest.dimension)).astype(np.float64) / 8
    x[:, -1] = 1.0
    units = triangle.pack(np.rint(np.ldexp(x.T @ x / rows, manifest.fraction_bits)).astype(np.int64))
    units[-1] = 1 << manifest.fraction_bits
    return units


def chunks(payload: bytes, first: int = 0) -> Iterator[m.PayloadChunk]:
    """A payload's chunks from a given one on."""
    for index in range(first, -(-len(payload) // CHUNK_BYTES)):
        yield m.PayloadChunk(index, payload[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES])


@dataclass
class Owner:
    """One light owner."""

    name: str
    key: IdentityKey = field(default_factory=IdentityKey.generate)
    tls: MemberTls | None = None
    address: str = ""
    manifest: Manifest | None = None
    sequence: int = 1

    async def enrol(self, token: str, embedder: EmbedderFingerprint) -> None:
        """Turn an invitation into a certificate."""
        invitation = Invitation.from_token(token)
        authority = await asyncio.to_thread(fetch_pinned_authority, invitation.address, invitation.ca_sha256)
        tls_key = new_tls_key()
        request = signing_request(tls_key, self.name)
        async with enrolment_channel(invitation.address, authority) as channel:
            response = await rpc.call(
                channel,
                rpc.ENROL,
                m.EnrolRequest(
                    credential=m.Credential(invitation.federation_id, self.name, invitation.secret),
                    signing_request_pem=request,
                    identity_public_key=self.key.public_bytes,
                    identity_proof=self.key.sign(ENROLMENT_SIGNATURE, request),
                    embedder=m.EmbedderFingerprint(
                        embedder.name,
                        embedder.tokenizer_sha256,
                        embedder.matrix_sha256,
                        embedder.vocabulary_size,
                        embedder.dimension,
                    ),
                ),
                timeout_s=TIMEOUT_S,
            )
        self.tls = MemberTls(authority, response.certificate_pem, tls_key)
        self.address = response.member_address
        self.manifest = Manifest.from_json(response.manifest_json)
        self.sequence = response.next_sequence

    async def renew(self) -> None:
        """Get a new certificate in the place of the owner's."""
        assert self.tls is not None
        key = new_tls_key()
        request = m.RenewCertificateRequest(signing_request(key, self.name))
        issued = await self.call(rpc.RENEW_CERTIFICATE, request)
        self.tls = MemberTls(self.tls.authority_pem, issued.certificate_pem, key)

    def channel(self) -> grpc.aio.Channel:
        """A channel with the owner's certificate."""
        assert self.tls is not None
        return member_channel(self.address, self.tls)

    def body(self, domain: str, payload: bytes | memoryview, rows: int, /, **changes: object) -> m.ContributionBody:
        """A contribution's body with the next sequence number, or with what the changes say."""
        assert self.manifest is not None
        fields: dict[str, object] = {
            "format_version": RECORD_VERSION,
            "federation_id": self.manifest.federation_id,
            "owner": self.name,
            "domain": domain,
            "sequence": self.sequence,
            "manifest_digest": self.manifest.digest(),
            "rows": rows,
            "payload_bytes": len(payload),
            "chunk_digests": tuple(chunk_digests(payload)),
        }
        return m.ContributionBody(**(fields | changes))  # type: ignore[arg-type]

    def sign(
        self, domain: str, vector: npt.NDArray[np.int64], rows: int = 20, width: int = WIDTH_MAX, /, **changes: object
    ) -> m.SignedRecord:
        """A signed contribution record for numbers of so many bytes; the sequence number is used up."""
        body = self.body(domain, pack(vector, width), rows, **{"bytes_per_number": width} | changes)
        record = sign_contribution(self.key, body)
        self.sequence += 1
        return record

    async def upload(self, channel: grpc.aio.Channel, record: m.SignedRecord, payload: bytes) -> m.Committed:
        """Send a record and its payload."""
        call = rpc.converse(channel, rpc.CONTRIBUTE, timeout_s=TIMEOUT_S)
        await call.write(m.ContributeRequest(record=record))
        answer = await call.read()
        if answer is grpc.aio.EOF:
            answer = await outcome(call)
        if answer.ready is not None:
            for chunk in chunks(payload, answer.ready.next_chunk):
                await call.write(m.ContributeRequest(chunk=chunk))
            answer = await call.read()
            if answer is grpc.aio.EOF:
                answer = await outcome(call)
        await call.done_writing()
        committed: m.Committed | None = answer.committed
        assert committed is not None
        return committed

    async def contribute(self, domain: str, vector: npt.NDArray[np.int64], rows: int = 20) -> m.FederationStatus:
        """Sign and send one contribution; the federation's status right after."""
        async with self.channel() as channel:
            await self.upload(channel, self.sign(domain, vector, rows), vector.tobytes())
            return await rpc.call(channel, rpc.GET_STATUS, m.GetStatusRequest(), timeout_s=TIMEOUT_S)

    def withdrawal(self, domain: str = "", **changes: object) -> m.SignedRecord:
        """A signed withdrawal of a domain, or of everything."""
        assert self.manifest is not None
        fields: dict[str, object] = {
            "format_version": RECORD_VERSION,
            "federation_id": self.manifest.federation_id,
            "owner": self.name,
            "domain": domain,
            "sequence": self.sequence,
        }
        record = sign_withdrawal(self.key, m.WithdrawalBody(**(fields | changes)))  # type: ignore[arg-type]
        self.sequence += 1
        return record

    async def call(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        """One unary call on a channel of its own."""
        async with self.channel() as channel:
            return await rpc.call(channel, method, request, timeout_s=TIMEOUT_S)

    async def watch(self, known_version: int = 0) -> AsyncGenerator[bytes, None]:
        """Whole router artifacts as they come."""
        async with self.channel() as channel:
            buffer = bytearray()
            async for chunk in rpc.watch(channel, rpc.WATCH_ROUTER, m.WatchRouterRequest(known_version)):
                buffer += chunk.data
                if len(buffer) == chunk.total_bytes:
                    yield bytes(buffer)
                    buffer.clear()


async def outcome(
    call: "grpc.aio.StreamStreamCall[m.ContributeRequest, m.ContributeResponse]",
) -> m.ContributeResponse:
    """Raise what ended a call that gave no answer."""
    code, details = await call.code(), await call.details()
    raise grpc.aio.AioRpcError(code, await call.initial_metadata(), await call.trailing_metadata(), details)
