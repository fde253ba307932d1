"""Founding a federation without a coordinator: manifest, authority, charter, and the founder as its first member."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import signing_request
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.owner_name import check_owner_name
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.node.enrolment import identity
from ridgeway.node.link import AUTHORITY_FILE, write_credential
from ridgeway.node.state import STATE_FILE, Membership, NodeState
from ridgeway.peers import keyring
from ridgeway.peers.administering import Administration
from ridgeway.peers.record_store import STORE_FILE, RecordStore, entry_of
from ridgeway.proto import messages as m
from ridgeway.roster.charter import Charter, sign_charter
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.records import RECORD_VERSION, record_of
from ridgeway.roster.standing import Roster
from ridgeway.runtime.data_dir import DataDirectory

FIRST_GENERATION = 1


class AlreadyFounded(RidgewayError):
    """A directory that belongs to a federation already."""


@dataclass(frozen=True, slots=True)
class Founded:
    """What was founded."""

    federation_id: str
    owner: str
    authority_sha256: bytes


def found(data_dir: Path, owner: str, manifest: Manifest, embedder: str, now: datetime) -> Founded:
    """Found a federation in a new directory. Blocks.

    Args:
        data_dir: the founder's node's; made if it is missing.
        owner: the founder's name as an owner.
        manifest: the agreement.
        embedder: how the founder calls its embedder.
        now: the time.

    Raises:
        AlreadyFounded, DataDirectoryError, BadName: it cannot be done there.
    """
    check_owner_name(owner)
    directory = DataDirectory(data_dir, "node", create=True)
    with directory.locked():
        state = NodeState(directory.path / STATE_FILE)
        try:
            if state.membership is not None or keyring.is_peer(directory):
                raise AlreadyFounded(f"{data_dir} belongs to a federation already; choose another --data-dir")
            authority = CertificateAuthority.create(manifest.federation_id, now, administrators=True)
            signing = IdentityKey.generate()
            charter = sign_charter(authority, manifest, signing.public_bytes)
            directory.write(keyring.AUTHORITY_KEY_FILE, authority.private_key_pem())
            directory.write(keyring.SIGNING_KEY_FILE, signing.to_pem())
            directory.write(AUTHORITY_FILE, authority.certificate_pem)
            _first_records(directory, charter, owner, now)
            state.enrolled(_membership(charter, owner, embedder), 1)
            keyring.write_charter(directory, charter)
        finally:
            state.close()
    return Founded(manifest.federation_id, owner, authority.fingerprint)


def _first_records(directory: DataDirectory, charter: Charter, owner: str, now: datetime) -> None:
    """The founder is let in by the authority, is its first administrator, and certifies itself as such."""
    store = RecordStore(directory.path / STORE_FILE)
    try:
        roster = Roster()

        def write(*records: m.GossipRecord) -> None:
            entries = [entry_of(record, has_payload=False) for record in records]
            store.persist(entries)
            roster.take(entries)

        key = identity(directory)
        about = (RECORD_VERSION, charter.federation_id, owner, FIRST_GENERATION, "")
        membership = m.MembershipBody(*about, key.public_bytes, int(now.timestamp() * 1000))
        write(record_of(keyring.signing_key(directory), membership))
        request = m.CertificateRequestBody(
            *about,
            1,
            key.public_bytes,
            signing_request(keyring.requested_key(directory), owner),
            signing_request(keyring.issuer_key(directory), owner),
        )
        write(record_of(key, request))
        administration = Administration(directory, charter, owner, roster, store)
        write(*administration.appoint(owner, now))
        write(*administration.answers(now, to_others=False))
        certificate = roster.body(RecordKey(RecordKind.CERTIFICATE, owner, FIRST_GENERATION))
        assert isinstance(certificate, m.CertificateBody)  # noqa: S101 - it was made just now
        write_credential(directory, keyring.requested_key(directory), certificate.certificate_chain_pem)
        keyring.forget_requested_key(directory)
    finally:
        store.close()


def _membership(charter: Charter, owner: str, embedder: str) -> Membership:
    return Membership(
        owner=owner,
        federation_id=charter.federation_id,
        member_address="",
        manifest_json=charter.manifest.to_json().decode(),
        embedder=embedder,
        generation=FIRST_GENERATION,
        issuer="",
    )
