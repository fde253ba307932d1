"""Joining peers: from an invitation to a certificate, by whichever of its doors is open.

No secret travels. The newcomer pins the authority, reads the charter, compares its embedder, and hands in a request
that is signed with the invitation's one-time key. Any member passes it on; the administrator that invited answers. Each
step may be interrupted and repeated: keys are made once and kept, and the same identity key is answered again.
"""

import asyncio

import grpc

from ridgeway.crypto.certificates import owner_dns_name, signing_request
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.gossip.judging import Accept
from ridgeway.gossip.record import Entry, gossip_digest
from ridgeway.node.delivery import OnProgress
from ridgeway.node.enrolment import LoadEmbedder, identity, matching_embedder, require_newcomer
from ridgeway.node.link import AUTHORITY_FILE, CALL_TIMEOUT_S, write_credential
from ridgeway.node.state import Membership, NodeState
from ridgeway.peers import keyring
from ridgeway.peers.record_store import STORE_FILE, RecordStore
from ridgeway.privacy.agreement import check_agreed
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.roster.charter import Charter, open_charter
from ridgeway.roster.invitation import Door, PeerInvitation
from ridgeway.roster.judge import TrustJudge
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.records import record_of
from ridgeway.roster.standing import Roster
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.pinning import fetch_pinned_authority
from ridgeway.runtime.remote_errors import Unreachable, translated
from ridgeway.runtime.tls import enrolment_channel


class NotAdmitted(RidgewayError):
    """An answer that lets nobody in."""


async def enrol(
    directory: DataDirectory,
    state: NodeState,
    invitation: PeerInvitation,
    embedder_name: str,
    load: LoadEmbedder,
    on_progress: OnProgress,
) -> Embedder:
    """Turn an invitation into a membership; the embedder that the federation computes with.

    Raises:
        AlreadyJoined, AuthorityMismatch, BadSignature, PrivacyError, WrongEmbedder, NotAdmitted, Unreachable, Refused:
            see their sentences.
    """
    body = invitation.body
    require_newcomer(state.membership, body.owner, body.federation_id)
    problems = []
    for door in invitation.doors:
        try:
            return await _through(door, directory, state, invitation, embedder_name, load, on_progress)
        except Unreachable as error:
            problems.append(str(error))
            on_progress(m.Progress("waiting", detail=str(error)))
    raise Unreachable("; ".join(problems))


async def _through(
    door: Door,
    directory: DataDirectory,
    state: NodeState,
    invitation: PeerInvitation,
    embedder_name: str,
    load: LoadEmbedder,
    on_progress: OnProgress,
) -> Embedder:
    authority = await asyncio.to_thread(fetch_pinned_authority, door.address, invitation.ca_sha256)
    async with enrolment_channel(door.address, authority, owner_dns_name(door.owner)) as channel:
        try:
            described = await rpc.call(
                channel, rpc.DESCRIBE_PEERS, m.DescribePeersRequest(invitation.signed), timeout_s=CALL_TIMEOUT_S
            )
            charter = open_charter(described.charter or m.SignedRecord(), authority)
            manifest = charter.manifest
            if manifest.privacy is not None:
                await asyncio.to_thread(check_agreed, manifest.privacy)
            name = embedder_name or manifest.embedder.name
            embedder = await matching_embedder(manifest.embedder, name, load)
            records = await _ask(channel, directory, invitation, on_progress)
        except grpc.aio.AioRpcError as error:
            raise translated(error, f"{door.owner} at {door.address}") from error
    _take_up(directory, state, authority, charter, invitation.body, records, name)
    return embedder


async def _ask(
    channel: grpc.aio.Channel, directory: DataDirectory, invitation: PeerInvitation, on_progress: OnProgress
) -> tuple[m.GossipRecord, ...]:
    owner, key = invitation.body.owner, identity(directory)
    request = invitation.redeem(
        key,
        signing_request(keyring.requested_key(directory), owner),
        signing_request(keyring.issuer_key(directory), owner),
    )
    async for admission in rpc.watch(channel, rpc.ENROL_PEER, record_of(key, request)):
        if admission.records:
            return tuple(admission.records)
        on_progress(m.Progress("asking", detail=admission.waiting))
    raise NotAdmitted("the node at the door said nothing; try another invitation")


def _take_up(
    directory: DataDirectory,
    state: NodeState,
    authority: bytes,
    charter: Charter,
    invited: m.InvitationBody,
    records: tuple[m.GossipRecord, ...],
    embedder: str,
) -> None:
    """Check what let us in like any other record, and write it; the charter last, since with it we are a member."""
    entries = _judged(charter, records)
    roster, key = Roster(entries), identity(directory)
    member = roster.member(invited.owner)
    at = (invited.owner, invited.generation, invited.issuer)
    if member is None or member.identity_public_key != key.public_bytes or member.certificate is None:
        raise NotAdmitted("the answer holds no membership of this node's; ask for a new invitation")
    directory.write(AUTHORITY_FILE, authority)
    chain = member.certificate.certificate_chain_pem
    write_credential(directory, keyring.requested_key(directory), chain)
    store = RecordStore(directory.path / STORE_FILE)
    try:
        store.persist(entries)
    finally:
        store.close()
    keyring.write_charter(directory, charter)
    state.enrolled(
        Membership(
            owner=at[0],
            federation_id=charter.federation_id,
            member_address="",
            manifest_json=charter.manifest.to_json().decode(),
            embedder=embedder,
            generation=at[1],
            issuer=at[2],
        ),
        1,
    )
    keyring.forget_requested_key(directory)


def _judged(charter: Charter, records: tuple[m.GossipRecord, ...]) -> list[Entry]:
    """The records that are what they say they are.

    Raises:
        InvalidRecord: one is forged.
    """
    judge = TrustJudge(charter)
    entries: dict[str, Entry] = {}
    order = list(RecordKind)
    for record in sorted(records, key=lambda record: order.index(RecordKey.parse(record.key).kind)):
        verdict = judge(record, entries.get)
        if isinstance(verdict, Accept):
            entries[record.key] = Entry(record, gossip_digest(record), verdict.author, verdict.payload)
    return list(entries.values())
