"""Joining: from an invitation to a certificate, checking first and sending the secret only to the pinned authority.

Each step may be interrupted: the identity key is made once and kept, and the coordinator answers the same key again.
"""

import asyncio
from collections.abc import Awaitable, Callable

import grpc

from ridgeway.crypto.certificates import new_tls_key, signing_request
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.invitation import PEER_PREFIX, BadInvitation, Invitation
from ridgeway.crypto.labels import ENROLMENT_SIGNATURE
from ridgeway.embedder import Embedder, EmbedderFingerprint
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.node.link import AUTHORITY_FILE, CALL_TIMEOUT_S, write_credential
from ridgeway.node.state import Membership, NodeState
from ridgeway.privacy.agreement import check_agreed
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.call_metadata import call_metadata
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.pinning import fetch_pinned_authority
from ridgeway.runtime.remote_errors import translated
from ridgeway.runtime.tls import enrolment_channel

IDENTITY_FILE = "identity.key"

LoadEmbedder = Callable[[str], Awaitable[Embedder]]


class AlreadyJoined(RidgewayError):
    """An invitation for a node that is a member of something."""


class WrongEmbedder(RidgewayError):
    """The federation computes with another tokeniser or matrix."""


class ManifestChanged(RidgewayError):
    """A federation that enrols under other rules than those that it has shown."""


def identity(directory: DataDirectory) -> IdentityKey:
    """The node's identity key; made and written on first use."""
    pem = directory.read(IDENTITY_FILE)
    if pem is None:
        directory.write(IDENTITY_FILE, IdentityKey.generate().to_pem())
        pem = directory.read(IDENTITY_FILE) or b""
    return IdentityKey.from_pem(pem)


async def enrol(
    directory: DataDirectory, state: NodeState, token: str, embedder_name: str, load: LoadEmbedder
) -> Embedder:
    """Turn an invitation into a membership; the embedder that the federation computes with.

    Args:
        directory: the node's, locked.
        state: the node's.
        token: the line that `ridgeway invite` printed.
        embedder_name: what the owner wants to use; empty for the one that the manifest names.
        load: gives an embedder by name.

    Raises:
        BadInvitation, AlreadyJoined, AuthorityMismatch, PrivacyError, WrongEmbedder, ManifestChanged, Unreachable,
            Refused: see their sentences.
    """
    if token.startswith(PEER_PREFIX):
        raise BadInvitation(
            "this invitation is to a federation without a coordinator; stop this node and start it with --peers"
        )
    invitation = Invitation.from_token(token)
    require_newcomer(state.membership, invitation.owner, invitation.federation_id)
    authority = await asyncio.to_thread(fetch_pinned_authority, invitation.address, invitation.ca_sha256)
    credential = m.Credential(invitation.federation_id, invitation.owner, invitation.secret)
    async with enrolment_channel(invitation.address, authority) as channel:
        described = await _call(channel, invitation, rpc.DESCRIBE, m.DescribeRequest(credential))
        manifest = Manifest.from_json(described.manifest_json)
        if manifest.privacy is not None:
            await asyncio.to_thread(check_agreed, manifest.privacy)
        name = embedder_name or manifest.embedder.name
        embedder = await matching_embedder(manifest.embedder, name, load)
        tls_key = new_tls_key()
        request = _enrol_request(credential, identity(directory), tls_key, embedder)
        enrolled = await _call(channel, invitation, rpc.ENROL, request)
    if enrolled.manifest_json != described.manifest_json:
        raise ManifestChanged(
            f"{invitation.address} enrolled us under another manifest than the one that it had shown; it may be"
            " dishonest; we do not join, ask the federation's operator"
        )
    directory.write(AUTHORITY_FILE, authority)
    write_credential(directory, tls_key, enrolled.certificate_pem)
    membership = Membership(
        owner=invitation.owner,
        federation_id=invitation.federation_id,
        member_address=enrolled.member_address,
        manifest_json=enrolled.manifest_json.decode(),
        embedder=name,
    )
    state.enrolled(membership, enrolled.next_sequence)
    return embedder


def _enrol_request(credential: m.Credential, key: IdentityKey, tls_key: bytes, embedder: Embedder) -> m.EnrolRequest:
    request = signing_request(tls_key, credential.owner)
    return m.EnrolRequest(
        credential,
        request,
        key.public_bytes,
        key.sign(ENROLMENT_SIGNATURE, request),
        _on_the_wire(embedder.fingerprint),
    )


def require_newcomer(membership: Membership | None, owner: str, federation_id: str) -> None:
    """A node belongs to one federation at a time, as one owner.

    Raises:
        AlreadyJoined: it is a member elsewhere, or as another.
    """
    if membership is None or membership.left:
        return
    if (membership.owner, membership.federation_id) != (owner, federation_id):
        raise AlreadyJoined(
            f"this data directory belongs to {membership.owner} of another membership; "
            f"choose another --data-dir for {owner}, or leave first"
        )


async def matching_embedder(agreed: EmbedderFingerprint, name: str, load: LoadEmbedder) -> Embedder:
    """The embedder of this name, which must be the federation's.

    Raises:
        WrongEmbedder: it is another, or cannot be loaded.
    """
    try:
        embedder = await load(name)
    except RidgewayError as error:
        raise WrongEmbedder(
            f"the federation computes with {agreed.describe()}; it could not be loaded as {name!r} ({error}). "
            "Pass its directory with --embedder"
        ) from error
    if not agreed.matches(embedder.fingerprint):
        raise WrongEmbedder(
            f"the federation computes with {agreed.describe()}, you have {embedder.fingerprint.describe()}; "
            "pass the federation's with --embedder"
        )
    return embedder


def _on_the_wire(fingerprint: EmbedderFingerprint) -> m.EmbedderFingerprint:
    return m.EmbedderFingerprint(
        fingerprint.name,
        fingerprint.tokenizer_sha256,
        fingerprint.matrix_sha256,
        fingerprint.vocabulary_size,
        fingerprint.dimension,
    )


async def _call(
    channel: grpc.aio.Channel,
    invitation: Invitation,
    method: rpc.Method[rpc.Request, rpc.Response],
    request: rpc.Request,
) -> rpc.Response:
    try:
        return await rpc.call(channel, method, request, timeout_s=CALL_TIMEOUT_S, metadata=call_metadata())
    except grpc.aio.AioRpcError as error:
        raise translated(error, invitation.address) from error
