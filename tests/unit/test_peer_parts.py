"""The parts of a peer that have no network: store, payloads, sum, invitation, manifest."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from light_client import fingerprint, random_contribution

from ridgeway.cli.main import ridgeway
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.invitation import BadInvitation, Invitation
from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests, payload_digest
from ridgeway.gossip.record import Entry, Payload, gossip_digest
from ridgeway.manifest import Coordination, Manifest, Masking
from ridgeway.narrow_integers import WIDTH_MAX, pack
from ridgeway.node.daemon import CannotListen
from ridgeway.peers import keyring
from ridgeway.peers.daemon import PeerSettings
from ridgeway.peers.payload_folder import PayloadFolder, PayloadLost
from ridgeway.peers.record_store import RecordStore, entry_of
from ridgeway.peers.summing import Summing, Unsummed, Wanted
from ridgeway.proto import messages as m
from ridgeway.proto.records import RECORD_VERSION, sign_contribution
from ridgeway.roster.invitation import Door, PeerInvitation, invite, one_time_public_key
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.standing import Counted
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.sums import FederationSum
from ridgeway.weights_digest import rounded_digest

MANIFEST = Manifest("f" * 32, fingerprint(9), masking=Masking.OFF, coordination=Coordination.PEERS)
KEY = IdentityKey.generate()


def contribution(seed: int, sequence: int = 1, domain: str = "law", *, spoiled: bool = False) -> tuple[Entry, bytes]:
    vector = random_contribution(seed, MANIFEST)
    if spoiled:
        vector[0] = -1
    payload = pack(vector, WIDTH_MAX)
    body = m.ContributionBody(
        RECORD_VERSION, MANIFEST.federation_id, "ann", domain, sequence, MANIFEST.digest(), 20, len(payload),
        tuple(chunk_digests(payload)), WIDTH_MAX, 1,
    )  # fmt: skip
    signed = sign_contribution(KEY, body)
    key = str(RecordKey(RecordKind.CONTRIBUTION, "ann", 1, "", domain))
    return entry_of(m.GossipRecord(key, sequence, signed.body, signed.signature), has_payload=True), bytes(payload)


def plain(sequence: int, body: bytes = b"") -> Entry:
    record = m.GossipRecord("profile/ann/1/-", sequence, body, b"s")
    return Entry(record, gossip_digest(record), "ann")


def counted(entry: Entry, rows: int = 20) -> Counted:
    assert entry.payload
    return Counted("ann", entry.key.rpartition("/")[2], entry.record.sequence, rows, entry.payload.digest, WIDTH_MAX)


def wanted(entries: list[Entry], revision: int = 1) -> Wanted:
    held = {("ann", entry.key.rpartition("/")[2]): counted(entry) for entry in entries}
    return Wanted(bytes(32), revision, 0, held, (), 1)


def test_the_store_gives_back_the_greatest_of_each_key(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records.db")
    first, second = plain(1), plain(2)
    waiting, _ = contribution(1)
    store.persist([second])
    store.persist([first])
    store.expect(waiting)
    store.close()
    again = RecordStore(tmp_path / "records.db")
    assert (again.held(), again.pending()) == ([second], [waiting])
    again.persist([waiting])
    assert again.pending() == []
    again.withhold([waiting])
    assert (again.held(), again.pending()) == ([second], [waiting])
    again.abandon(waiting)
    assert again.pending() == []
    again.close()
    assert (tmp_path / "records.db").stat().st_mode & 0o777 == 0o600


def test_only_the_newest_invitation_is_remembered(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records.db")
    store.invited("bob", 1, b"a" * 32)
    store.invited("bob", 1, b"b" * 32)
    assert store.invitation("bob") == (1, b"b" * 32)
    assert store.invitation("cat") is None
    store.close()


def test_a_payload_that_arrives_in_any_order_is_whole_when_it_is_checked(tmp_path: Path) -> None:
    folder = PayloadFolder(tmp_path)
    entry, payload = contribution(2)
    assert entry.payload
    assert folder.arrived(entry.payload) == frozenset()
    for index in reversed(range(len(entry.payload.chunk_digests))):
        folder.write(entry.payload, index, payload[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES])
    assert folder.arrived(entry.payload) == frozenset(range(len(entry.payload.chunk_digests)))
    assert folder.complete(entry, MANIFEST)
    assert folder.is_whole(entry.payload)
    assert folder.chunk(entry.payload.digest, 0) == payload[:CHUNK_BYTES]
    folder.path(entry.payload.digest).write_bytes(payload[:-1] + b"x")
    assert not folder.is_whole(entry.payload)
    folder.keep_only([], [])
    with pytest.raises(PayloadLost):
        folder.chunk(entry.payload.digest, 0)


def test_numbers_that_are_no_statistics_are_refused_and_removed(tmp_path: Path) -> None:
    folder = PayloadFolder(tmp_path)
    entry, payload = contribution(3, spoiled=True)
    assert entry.payload
    folder.write(entry.payload, 0, payload)
    assert not folder.complete(entry, MANIFEST)
    assert list(tmp_path.iterdir()) == []


def test_a_chunk_that_was_torn_by_a_crash_has_not_arrived(tmp_path: Path) -> None:
    folder, data = PayloadFolder(tmp_path), os.urandom(2 * CHUNK_BYTES + 5)
    payload = Payload.of(len(data), chunk_digests(data))
    folder.write(payload, 2, data[2 * CHUNK_BYTES :])
    folder.write(payload, 1, data[CHUNK_BYTES : 2 * CHUNK_BYTES - 7])
    assert folder.arrived(payload) == frozenset({2})


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["law", "code", "art"]), st.integers(1, 4)), max_size=3), max_size=5)
)
def test_the_sum_by_differences_is_the_sum_from_scratch(
    tmp_path_factory: pytest.TempPathFactory, steps: object
) -> None:
    folder = PayloadFolder(tmp_path_factory.mktemp("payloads"))
    summing = Summing(MANIFEST, folder)
    assert isinstance(steps, list)
    for step in steps:
        total, entries = FederationSum(MANIFEST.layout), []
        for domain, seed in dict(step).items():
            entry, payload = contribution(seed, seed, domain)
            assert entry.payload
            folder.path(entry.payload.digest).write_bytes(payload)
            entries.append(entry)
            total.add(domain, random_contribution(seed, MANIFEST), 20)
        solved = summing.bring(wanted(entries))
        assert solved.sum_digest == total.digest(MANIFEST.digest())
        assert solved.domains == tuple(zip(total.domains, total.rows, strict=True))
        assert bool(solved.artifact) == bool(entries)


def test_a_lost_payload_is_named_and_the_sum_is_built_anew(tmp_path: Path) -> None:
    folder = PayloadFolder(tmp_path)
    summing, (entry, payload) = Summing(MANIFEST, folder), contribution(1)
    other, other_payload = contribution(2, domain="code")
    assert entry.payload
    assert other.payload
    folder.path(entry.payload.digest).write_bytes(payload)
    folder.path(other.payload.digest).write_bytes(other_payload)
    before = summing.bring(wanted([entry]))
    folder.lost(other.payload.digest)
    with pytest.raises(Unsummed) as lost:
        summing.bring(wanted([entry, other]))
    assert lost.value.payload_digest == other.payload.digest
    assert summing.bring(wanted([entry])).sum_digest == before.sum_digest


def test_weights_are_compared_but_for_rounding() -> None:
    weights = np.random.default_rng(0).normal(size=(9, 3))
    same = rounded_digest(b"s" * 32, weights)
    assert rounded_digest(b"s" * 32, weights * (1 + 1e-14)) == same
    assert rounded_digest(b"s" * 32, weights * (1 + 1e-3)) != same
    assert rounded_digest(b"t" * 32, weights) != same


def invitation() -> PeerInvitation:
    seed = bytes(range(32))
    body = m.InvitationBody(1, "f" * 32, "bob", 1, "ann.1", one_time_public_key(seed), 1)
    return invite(KEY, body, seed, (Door("ann", "127.0.0.1:7444"),), b"c" * 32)


def test_an_invitation_comes_back_as_it_was_written_and_shows_no_secret() -> None:
    line = invitation().to_token()
    assert PeerInvitation.from_token(f" {line}\n") == invitation()
    assert str(bytes(range(32))) not in repr(invitation())
    with pytest.raises(BadInvitation, match="damaged"):
        PeerInvitation.from_token(line[:-8])
    with pytest.raises(BadInvitation, match="another version"):
        Invitation.from_token(line)
    with pytest.raises(BadInvitation):
        PeerInvitation.from_token(Invitation("a:1", "bob", "f", b"c" * 32, b"s" * 32, datetime.now(UTC)).to_token())


def test_the_manifest_says_whether_there_is_a_coordinator() -> None:
    for masking in Masking:
        manifest = replace(MANIFEST, masking=masking)
        assert Manifest.from_json(manifest.to_json()) == manifest
    with_coordinator = replace(MANIFEST, coordination=Coordination.COORDINATOR)
    assert b"coordination" not in with_coordinator.to_json()


def test_peers_are_founded_masked_and_without_masking_there_is_a_warning(tmp_path: Path) -> None:
    masked = CliRunner().invoke(ridgeway, ["federation", "create", "--data-dir", str(tmp_path / "masked"), "--json"])
    assert (masked.exit_code, "masking is off" in masked.output) == (0, False)
    agreed = keyring.read_charter(DataDirectory(tmp_path / "masked", "node")).manifest
    assert (agreed.masking, agreed.min_cohort) == (Masking.REQUIRED, 3)
    where = ["--data-dir", str(tmp_path / "node"), "--json"]
    unmasked = ["federation", "create", "--masking", "off", "--columns", "0", *where]
    founded = CliRunner().invoke(ridgeway, unmasked)
    assert founded.exit_code == 0
    assert "masking is off" in founded.output
    again = CliRunner().invoke(ridgeway, unmasked)
    assert (again.exit_code, "already" in again.output) == (1, True)
    for name in ("authority.key", "authority-signing.key", "identity.key", "issuer.key", "member.pem", "records.db"):
        assert (tmp_path / "node" / name).stat().st_mode & 0o777 == 0o600, name


@pytest.mark.parametrize(
    ("host", "advertise", "told"),
    [
        (None, None, ("", "")),
        ("127.0.0.1", None, ("127.0.0.1:7443", "127.0.0.1:7444")),
        ("0.0.0.0", "router.example", ("router.example:7443", "router.example:7444")),  # noqa: S104 - not bound
        ("10.0.0.7", "router.example:9443", ("router.example:9443", "router.example:9444")),
        ("::1", None, ("[::1]:7443", "[::1]:7444")),
    ],
)
def test_what_others_are_told_to_dial(host: str | None, advertise: str | None, told: tuple[str, str]) -> None:
    assert PeerSettings(Path(), host, 7443, advertise).addresses == told


def test_an_address_that_nobody_could_dial_is_not_told() -> None:
    with pytest.raises(CannotListen, match="--advertise"):
        assert PeerSettings(Path(), "0.0.0.0", 7443).addresses  # noqa: S104 - not bound


def test_a_payload_is_named_by_its_content() -> None:
    entry, payload = contribution(5)
    assert entry.payload
    assert entry.payload.digest == payload_digest(len(payload), chunk_digests(payload))
