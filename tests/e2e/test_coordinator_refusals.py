"""Bad input over the real network stack: each has its own status and sentence, and changes nothing."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from light_client import Owner, fingerprint, random_contribution
from running import Running, refused, running

from ridgeway import triangle
from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key, signing_request
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.invitation import Invitation
from ridgeway.crypto.labels import CONTRIBUTION_SIGNATURE
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.pinning import AuthorityMismatch, fetch_pinned_authority
from ridgeway.runtime.tls import MemberTls, member_channel
from ridgeway.sums import FederationSum

Code = grpc.StatusCode
Vector = npt.NDArray[np.int64]


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "coordinator") as made:
        yield made


@pytest.fixture
async def alice(coordinator: Running) -> Owner:
    owner = await coordinator.owner("alice")
    await owner.contribute("law", random_contribution(1, owner.manifest))
    return owner


def damaged(change: Callable[[Vector], object]) -> Callable[[Vector], Vector]:
    def apply(vector: Vector) -> Vector:
        copy = vector.copy()
        change(copy)
        return copy

    return apply


DIAGONAL = triangle.row_starts(9)
NOT_STATISTICS = {
    "negative diagonal": (damaged(lambda v: v.__setitem__(int(DIAGONAL[2]), -5)), "sum of squares is negative"),
    "not a Gram matrix": (damaged(lambda v: v.__setitem__(1, 1 << 45)), "|G_ij| <= sqrt(G_ii G_jj)"),
    "most negative number": (damaged(lambda v: v.__setitem__(1, np.iinfo(np.int64).min)), "|G_ij|"),
    "beyond the head-room": (damaged(lambda v: v.__setitem__(0, 1 << 60)), "exceeds the head-room"),
    "wrong mass": (damaged(lambda v: v.__setitem__(-1, (1 << 36) + 1)), "bias corner"),
    "all zero": (damaged(lambda v: v.fill(0)), "bias corner"),
}


@pytest.mark.parametrize("case", NOT_STATISTICS)
async def test_numbers_that_are_no_statistics(coordinator: Running, alice: Owner, case: str) -> None:
    change, sentence = NOT_STATISTICS[case]
    before = await coordinator.traceless()
    vector = change(random_contribution(2, alice.manifest))
    async with refused(Code.INVALID_ARGUMENT, sentence):
        await alice.contribute("law", vector)
    assert await coordinator.traceless() == before


async def test_floats_that_are_not_finite_cannot_pass_for_integers(coordinator: Running, alice: Owner) -> None:
    before = await coordinator.traceless()
    for value in (np.nan, np.inf, -np.inf):
        vector = np.full(triangle.length(9), value).view(np.int64)
        async with refused(Code.INVALID_ARGUMENT, ""):
            await alice.contribute("law", vector)
    assert await coordinator.traceless() == before


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"manifest_digest": bytes(32)}, Code.FAILED_PRECONDITION, "another manifest"),
        ({"owner": "bob"}, Code.PERMISSION_DENIED, "hands in its own records only"),
        ({"federation_id": "other"}, Code.PERMISSION_DENIED, "hands in its own records only"),
        ({"domain": "../law"}, Code.INVALID_ARGUMENT, "no domain name"),
        ({"sequence": 1}, Code.ALREADY_EXISTS, "taken by another record"),
        ({"sequence": 0}, Code.FAILED_PRECONDITION, "start at 1"),
        ({"format_version": 9}, Code.INVALID_ARGUMENT, "version 9"),
        ({"chunk_digests": ()}, Code.INVALID_ARGUMENT, "chunk digests"),
        ({"sequence": (1 << 64) - 1}, Code.INVALID_ARGUMENT, "at most"),
        ({"rows": (1 << 64) - 1}, Code.INVALID_ARGUMENT, "at most"),
        ({"rows": 0}, Code.INVALID_ARGUMENT, "bias corner"),
    ],
)
async def test_records_that_say_something_wrong(
    coordinator: Running, alice: Owner, changes: dict[str, object], code: grpc.StatusCode, sentence: str
) -> None:
    before = await coordinator.traceless()
    vector = random_contribution(3, alice.manifest)
    async with refused(code, sentence), alice.channel() as channel:
        await alice.upload(channel, alice.sign("law", vector, 20, **changes), vector.tobytes())
    assert await coordinator.traceless() == before


@pytest.mark.parametrize("change", [-8, 8, 40 * CHUNK_BYTES])
async def test_payloads_of_a_wrong_size(coordinator: Running, alice: Owner, change: int) -> None:
    before = await coordinator.traceless()
    size = 8 * triangle.length(9) + change
    digests = tuple(bytes(32) for _ in range(-(-size // CHUNK_BYTES)))
    record = alice.sign("law", random_contribution(3, alice.manifest), payload_bytes=size, chunk_digests=digests)
    async with refused(Code.OUT_OF_RANGE, "has 360 bytes"), alice.channel() as channel:
        await alice.upload(channel, record, b"")
    assert await coordinator.traceless() == before


async def test_an_old_record_again_after_a_newer_one(coordinator: Running, alice: Owner) -> None:
    first, second = (random_contribution(seed, alice.manifest) for seed in (4, 5))
    old, new = alice.sign("law", first), alice.sign("law", second)
    async with alice.channel() as channel:
        await alice.upload(channel, new, second.tobytes())
        before = await coordinator.traceless()
        async with refused(Code.FAILED_PRECONDITION, "older than"):
            await alice.upload(channel, old, first.tobytes())
    assert await coordinator.traceless() == before


async def test_the_same_record_again_is_acknowledged_and_counts_once(coordinator: Running, alice: Owner) -> None:
    vector = random_contribution(6, alice.manifest)
    record = alice.sign("law", vector)
    async with alice.channel() as channel:
        first = await alice.upload(channel, record, vector.tobytes())
        again = await alice.upload(channel, record, vector.tobytes())
    assert (first.repeated, again.repeated) == (False, True)
    assert alice.manifest is not None
    expected = FederationSum(alice.manifest.layout)
    expected.add("law", vector, 20)
    assert (await coordinator.status()).sum_digest == expected.digest(alice.manifest.digest())


async def test_a_signature_by_another_key(coordinator: Running, alice: Owner) -> None:
    before = await coordinator.traceless()
    vector = random_contribution(7, alice.manifest)
    record = alice.sign("law", vector)
    forged = replace(record, signature=IdentityKey.generate().sign(CONTRIBUTION_SIGNATURE, record.body))
    truncated = replace(record, signature=record.signature[:-1])
    relabelled = replace(record, signature=alice.key.sign(b"another use", record.body))
    async with alice.channel() as channel:
        for bad in (forged, truncated, relabelled):
            async with refused(Code.UNAUTHENTICATED, "not by the owner's identity key"):
                await alice.upload(channel, bad, vector.tobytes())
    assert await coordinator.traceless() == before


async def test_a_signed_body_that_is_no_message(coordinator: Running, alice: Owner) -> None:
    before = await coordinator.traceless()
    garbage = b"\xff\xff\xff"
    record = m.SignedRecord(garbage, alice.key.sign(CONTRIBUTION_SIGNATURE, garbage))
    async with refused(Code.INVALID_ARGUMENT, "not a ContributionBody"), alice.channel() as channel:
        await alice.upload(channel, record, b"")
    assert await coordinator.traceless() == before


async def send(owner: Owner, *steps: m.ContributeRequest) -> m.ContributeResponse:
    """Send raw steps, then read to the end."""
    answer = m.ContributeResponse()
    async with owner.channel() as channel:
        call = rpc.converse(channel, rpc.CONTRIBUTE, timeout_s=10)
        for step in steps:
            await call.write(step)
        await call.done_writing()
        async for last in call:
            answer = last
    return answer


async def test_streams_that_break_the_rules(coordinator: Running, alice: Owner) -> None:
    vector = random_contribution(8, alice.manifest)
    payload = vector.tobytes()
    chunk = m.ContributeRequest(chunk=m.PayloadChunk(0, payload))

    def opening() -> m.ContributeRequest:
        return m.ContributeRequest(record=alice.sign("law", vector))

    before = await coordinator.traceless()
    async with refused(Code.INVALID_ARGUMENT, "begins with its signed record"):
        await send(alice, chunk)
    async with refused(Code.INVALID_ARGUMENT, "the stream ended"):
        await send(alice)
    async with refused(Code.INVALID_ARGUMENT, "the stream ended"):
        await send(alice, opening())
    async with refused(Code.INVALID_ARGUMENT, "a second record came"):
        await send(alice, opening(), opening())
    async with refused(Code.INVALID_ARGUMENT, "chunk 1 came, chunk 0 was expected"):
        await send(alice, opening(), m.ContributeRequest(chunk=m.PayloadChunk(1, payload)))
    for wrong in (payload[:-1], payload + b"x", b""):
        async with refused(Code.INVALID_ARGUMENT, "were expected"):
            await send(alice, opening(), m.ContributeRequest(chunk=m.PayloadChunk(0, wrong)))
    flipped = bytes([payload[0] ^ 1]) + payload[1:]
    async with refused(Code.DATA_LOSS, "damaged on its way"):
        await send(alice, opening(), m.ContributeRequest(chunk=m.PayloadChunk(0, flipped)))
    assert await coordinator.traceless() == before
    assert (await send(alice, opening(), chunk)).committed is not None


async def test_a_message_beyond_the_limit(coordinator: Running, alice: Owner) -> None:
    assert alice.tls is not None
    before = await coordinator.traceless()
    credentials = grpc.ssl_channel_credentials(alice.tls.authority_pem, alice.tls.key_pem, alice.tls.certificate_pem)
    options = [("grpc.ssl_target_name_override", "coordinator.ridgeway.internal"), ("grpc.max_send_message_length", -1)]
    channel = grpc.aio.secure_channel(alice.address, credentials, options=options)
    async with channel, refused(Code.RESOURCE_EXHAUSTED, "larger than max"):
        await rpc.call(channel, rpc.WITHDRAW, m.SignedRecord(bytes(5 << 20), b""), timeout_s=10)
    assert await coordinator.traceless() == before


# Invitations


async def test_invitations_that_do_not_open_the_door(coordinator: Running, alice: Owner) -> None:
    before = await coordinator.traceless()
    token = await coordinator.invite("bob")
    invitation = Invitation.from_token(token)
    forged = replace(invitation, secret=bytes(32)).to_token()
    async with refused(Code.UNAUTHENTICATED, "gave out no such invitation"):
        await Owner("bob").enrol(forged, coordinator.embedder)
    async with refused(Code.UNAUTHENTICATED, "not for 'mallory'"):
        await Owner("mallory").enrol(token, coordinator.embedder)
    async with refused(Code.UNAUTHENTICATED, "gave out no such invitation"):
        await Owner("bob").enrol(replace(invitation, federation_id="other").to_token(), coordinator.embedder)
    coordinator.clock.ahead = timedelta(hours=2)
    async with refused(Code.PERMISSION_DENIED, "has expired"):
        await Owner("bob").enrol(token, coordinator.embedder)
    coordinator.clock.ahead = timedelta(0)
    assert await coordinator.traceless() == before
    await Owner("bob").enrol(token, coordinator.embedder)


async def test_an_invitation_works_once_but_its_owner_may_ask_again(coordinator: Running) -> None:
    token = await coordinator.invite("bob")
    bob = Owner("bob")
    await bob.enrol(token, coordinator.embedder)
    before = await coordinator.traceless()
    async with refused(Code.ALREADY_EXISTS, "was used already"):
        await Owner("bob").enrol(token, coordinator.embedder)
    assert await coordinator.traceless() == before
    await bob.enrol(token, coordinator.embedder)
    await bob.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())


async def test_another_embedder_is_refused_with_both_names_and_uses_nothing_up(coordinator: Running) -> None:
    token = await coordinator.invite("bob")
    other = replace(fingerprint(9, "other-model"), matrix_sha256="c" * 64)
    async with refused(Code.FAILED_PRECONDITION, "computes with toy ("):
        await Owner("bob").enrol(token, other)
    async with refused(Code.FAILED_PRECONDITION, "you have other-model ("):
        await Owner("bob").enrol(token, other)
    await Owner("bob").enrol(token, coordinator.embedder)


async def test_a_server_without_the_pinned_authority_gets_no_secret(coordinator: Running) -> None:
    with pytest.raises(AuthorityMismatch, match="Nothing secret was sent"):
        fetch_pinned_authority(coordinator.endpoints.enrolment, bytes(32))


@pytest.mark.parametrize(
    ("owner", "lifetime_s", "code", "sentence"),
    [
        ("Alice!", 3600, Code.INVALID_ARGUMENT, "no owner name"),
        ("", 3600, Code.INVALID_ARGUMENT, "no owner name"),
        ("bob", 0, Code.FAILED_PRECONDITION, "up to 30 days"),
        ("bob", 10**9, Code.FAILED_PRECONDITION, "up to 30 days"),
        ("alice", 3600, Code.FAILED_PRECONDITION, "is a member already"),
    ],
)
async def test_invitations_that_are_not_made(
    coordinator: Running, alice: Owner, owner: str, lifetime_s: int, code: grpc.StatusCode, sentence: str
) -> None:
    async with refused(code, sentence):
        await coordinator.invite(owner, lifetime_s)


# Certificates


async def test_no_certificate_and_a_foreign_one_do_not_get_in(coordinator: Running, alice: Owner) -> None:
    assert alice.tls is not None
    foreign = CertificateAuthority.create(alice.manifest.federation_id, datetime.now(UTC)) if alice.manifest else None
    assert foreign is not None
    key = new_tls_key()
    impostor = foreign.issue_member(signing_request(key, "alice"), "alice", datetime.now(UTC))
    credentials = grpc.ssl_channel_credentials(alice.tls.authority_pem)
    options = [("grpc.ssl_target_name_override", "coordinator.ridgeway.internal")]
    bare = grpc.aio.secure_channel(alice.address, credentials, options=options)
    wrong = member_channel(alice.address, MemberTls(alice.tls.authority_pem, impostor, key))
    for channel in (bare, wrong):
        async with channel, refused(Code.UNAVAILABLE, ""):
            await rpc.call(channel, rpc.GET_STATUS, m.GetStatusRequest(), timeout_s=3)


async def test_an_expired_certificate_does_not_get_in_even_on_an_open_connection(
    coordinator: Running, alice: Owner
) -> None:
    async with alice.channel() as channel:
        await rpc.call(channel, rpc.GET_STATUS, m.GetStatusRequest(), timeout_s=5)
        coordinator.clock.ahead = timedelta(hours=25)
        async with refused(Code.PERMISSION_DENIED, "expired"):
            await rpc.call(channel, rpc.GET_STATUS, m.GetStatusRequest(), timeout_s=5)


async def test_a_revoked_owner_is_refused_on_its_open_connection(coordinator: Running, alice: Owner) -> None:
    vector = random_contribution(9, alice.manifest)
    async with alice.channel() as channel:
        await rpc.call(channel, rpc.GET_STATUS, m.GetStatusRequest(), timeout_s=5)
        await coordinator.administer(rpc.REVOKE, m.OwnerRequest("alice"))
        digest, contributions, _ = await coordinator.traceless()
        calls: list[tuple[Any, Any]] = [
            (rpc.GET_STATUS, m.GetStatusRequest()),
            (rpc.RENEW_CERTIFICATE, m.RenewCertificateRequest(signing_request(new_tls_key(), "alice"))),
            (rpc.LEAVE, alice.withdrawal()),
            (rpc.WITHDRAW, alice.withdrawal("law")),
            (rpc.REGISTER_EXPERTS, m.RegisterExpertsRequest()),
        ]
        for method, request in calls:
            async with refused(Code.PERMISSION_DENIED, "was revoked"):
                await rpc.call(channel, method, request, timeout_s=5)
        async with refused(Code.PERMISSION_DENIED, "was revoked"):
            await alice.upload(channel, alice.sign("law", vector), vector.tobytes())
    assert (await coordinator.traceless())[:2] == (digest, contributions) == (digest, 1)


@pytest.mark.parametrize(
    ("expert", "sentence"),
    [
        (m.Expert("", "law", "ftp://x/", ""), "http or https"),
        (m.Expert("", "law", "http://", ""), "http or https"),
        (m.Expert("", "law", "http://[::1", ""), "http or https"),
        (m.Expert("", "law", "https://x/", "\x1b[2J"), "cannot be printed"),
        (m.Expert("", "law", "https://user:hush@x/", ""), "holds a password"),
        (m.Expert("", "La w", "https://x/", ""), "no domain name"),
        (m.Expert("", "law", "https://x/" + "y" * 3000, ""), "too long"),
    ],
)
async def test_experts_that_nobody_could_be_sent_to(
    coordinator: Running, alice: Owner, expert: m.Expert, sentence: str
) -> None:
    async with refused(Code.INVALID_ARGUMENT, sentence):
        await alice.call(rpc.REGISTER_EXPERTS, m.RegisterExpertsRequest((expert,)))
    assert (await coordinator.status()).domains[0].experts == ()


async def test_withdrawing_what_was_never_contributed(coordinator: Running, alice: Owner) -> None:
    before = await coordinator.traceless()
    async with refused(Code.NOT_FOUND, "contributes nothing to 'math'"):
        await alice.call(rpc.WITHDRAW, alice.withdrawal("math"))
    async with refused(Code.UNAUTHENTICATED, "identity key"):
        await alice.call(rpc.LEAVE, replace(alice.withdrawal(), signature=bytes(64)))
    async with refused(Code.ALREADY_EXISTS, "taken"):
        await alice.call(rpc.LEAVE, alice.withdrawal(sequence=1))
    async with refused(Code.NOT_FOUND, "ever joined"):
        await coordinator.administer(rpc.EVICT, m.OwnerRequest("nobody"))
    assert await coordinator.traceless() == before
