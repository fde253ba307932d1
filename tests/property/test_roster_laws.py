"""Who belongs and what counts, in whatever order the records come; compared with a slow oracle."""

import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_client import fingerprint

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.identity import BadSignature, IdentityKey
from ridgeway.gossip.judging import Accept, InvalidRecord, NotYet
from ridgeway.gossip.record import Entry, gossip_digest
from ridgeway.manifest import Coordination, Manifest, Masking
from ridgeway.narrow_integers import WIDTH_MAX
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.proto.records import RECORD_VERSION as CONTRIBUTION_VERSION
from ridgeway.proto.records import sign_contribution, sign_withdrawal
from ridgeway.roster.charter import Charter, open_charter, sign_charter
from ridgeway.roster.judge import TrustJudge
from ridgeway.roster.keys import BadKey, RecordKey, RecordKind, issuer_name
from ridgeway.roster.records import RECORD_VERSION, key_of, record_of
from ridgeway.roster.standing import Counted, Roster

State = m.MemberState
FEDERATION = "f" * 32
MANIFEST = Manifest(FEDERATION, fingerprint(3), masking=Masking.OFF, coordination=Coordination.PEERS)
AUTHORITY = CertificateAuthority.create(FEDERATION, datetime(2026, 1, 1, tzinfo=UTC), administrators=True)
SIGNING = IdentityKey.generate()
CHARTER: Charter = sign_charter(AUTHORITY, MANIFEST, SIGNING.public_bytes)
JUDGE = TrustJudge(CHARTER)
OWNERS = ("ann", "bob", "cat")
KEYS = {owner: IdentityKey.generate() for owner in OWNERS}
DOMAINS = ("law", "code")
ISSUERS = ("", issuer_name("ann", 1), issuer_name("bob", 1))


def issuer_key(issuer: str) -> IdentityKey:
    return KEYS[issuer.partition(".")[0]] if issuer else SIGNING


def grant(owner: str, sequence: int, *, active: bool) -> m.GossipRecord:
    about = (RECORD_VERSION, FEDERATION, owner, 1, sequence)
    return record_of(SIGNING, m.GrantBody(*about, KEYS[owner].public_bytes, b"", active))


def membership(owner: str, generation: int, issuer: str) -> m.GossipRecord:
    body = m.MembershipBody(RECORD_VERSION, FEDERATION, owner, generation, issuer, KEYS[owner].public_bytes, 1)
    return record_of(issuer_key(issuer), body)


def verdict(
    owner: str, generation: int, issuer: str, state: State, sequence: int = 1, confirmed: str = ""
) -> m.GossipRecord:
    body = m.VerdictBody(RECORD_VERSION, FEDERATION, owner, generation, sequence, issuer, state, confirmed, 1)
    return record_of(issuer_key(issuer), body)


def departure(owner: str, generation: int, issuer: str) -> m.GossipRecord:
    return record_of(KEYS[owner], m.DepartureBody(RECORD_VERSION, FEDERATION, owner, generation, issuer, 1))


def contribution(owner: str, generation: int, issuer: str, domain: str, sequence: int = 1) -> m.GossipRecord:
    size = MANIFEST.layout.numbers * WIDTH_MAX
    body = m.ContributionBody(
        CONTRIBUTION_VERSION, FEDERATION, owner, domain, sequence, MANIFEST.digest(), 5, size,
        (bytes([sequence]) * 32,), WIDTH_MAX, generation,
    )  # fmt: skip
    signed = sign_contribution(KEYS[owner], body)
    key = RecordKey(RecordKind.CONTRIBUTION, owner, generation, issuer, domain)
    return m.GossipRecord(str(key), sequence, signed.body, signed.signature)


@dataclass
class Held:
    """A set of records merged as peers merge them, by (sequence, digest)."""

    entries: dict[str, Entry]

    @classmethod
    def of(cls, records: list[m.GossipRecord]) -> "Held":
        """Judge and merge records that come in this order, those that wait once more at the end of each pass."""
        held, waiting = cls({}), list(records)
        while True:
            later = [record for record in waiting if not held.take(record)]
            if len(later) == len(waiting):
                return held
            waiting = later

    def take(self, record: m.GossipRecord) -> bool:
        """Merge one record; False if it cannot be judged yet."""
        judged = JUDGE(record, self.entries.get)
        if isinstance(judged, NotYet):
            return False
        entry = Entry(record, gossip_digest(record), judged.author, judged.payload)
        before = self.entries.get(record.key)
        if before is None or entry.rank > before.rank:
            self.entries[record.key] = entry
        return True


def oracle(held: Held) -> dict[str, tuple[State, int, set[str]]]:
    """State, generation and counted domains of each owner, by the rules as `standing` states them, the slow way."""
    bodies = [
        decode(kind, entry.record.body)
        for entry in held.entries.values()
        for kind in [KIND_OF[RecordKey.parse(entry.key).kind]]
    ]
    grants = {issuer_name(b.owner, b.generation): b.active for b in bodies if isinstance(b, m.GrantBody)}
    stands = {"": True, **grants}
    found = {}
    for owner in OWNERS:
        verdicts = [b for b in bodies if isinstance(b, m.VerdictBody) and b.owner == owner]
        confirmed = {(v.generation, v.confirmed_issuer) for v in verdicts if not v.issuer and v.confirmed_issuer}
        mine = [
            b
            for b in bodies
            if isinstance(b, m.MembershipBody)
            and b.owner == owner
            and (stands.get(b.issuer, False) or (b.generation, b.issuer) in confirmed)
        ]
        if not mine:
            continue
        newest = max(b.generation for b in mine)
        candidates = sorted(b.issuer for b in mine if b.generation == newest)
        first = [issuer for issuer in candidates if (newest, issuer) in confirmed] or candidates
        at = (owner, newest, first[0])
        said = {v.issuer: v.state for v in verdicts if v.generation == newest}
        if "" in said:
            state = said[""]
        elif grants.get(issuer_name(owner, newest)):
            state = State.ACTIVE
        else:
            heard = {s for issuer, s in said.items() if stands.get(issuer, False)}
            state = next((s for s in (State.EVICTED, State.REVOKED) if s in heard), State.ACTIVE)
        left = any(isinstance(b, m.DepartureBody) and (b.owner, b.generation, b.issuer) == at for b in bodies)
        if left and state is not State.EVICTED:
            state = State.LEFT
        domains = {
            key.domain
            for entry in held.entries.values()
            for key in [RecordKey.parse(entry.key)]
            if key.kind is RecordKind.CONTRIBUTION
            and (key.owner, key.generation, key.issuer) == at
            and entry.payload is not None
        }
        found[owner] = (state, newest, domains if state in {State.ACTIVE, State.REVOKED} else set())
    return found


KIND_OF: dict[RecordKind, type[object]] = {
    RecordKind.GRANT: m.GrantBody,
    RecordKind.MEMBERSHIP: m.MembershipBody,
    RecordKind.VERDICT: m.VerdictBody,
    RecordKind.DEPARTURE: m.DepartureBody,
    RecordKind.CONTRIBUTION: m.ContributionBody,
}

owners, issuers = st.sampled_from(OWNERS), st.sampled_from(ISSUERS)
generations, sequences = st.integers(1, 2), st.integers(1, 3)
records = st.one_of(
    st.builds(grant, st.sampled_from(OWNERS[:2]), sequences, active=st.booleans()),
    st.builds(membership, owners, generations, issuers),
    st.builds(
        verdict,
        owners,
        generations,
        issuers,
        st.sampled_from([State.ACTIVE, State.REVOKED, State.EVICTED]),
        sequences,
        issuers,
    ),
    st.builds(departure, owners, generations, issuers),
    st.builds(contribution, owners, generations, issuers, st.sampled_from(DOMAINS), sequences),
)
GRANTED = [grant("ann", 1, active=True), grant("bob", 1, active=True)]


@settings(max_examples=150)
@given(st.lists(records, max_size=25), st.randoms(use_true_random=False))
def test_what_counts_is_a_function_of_the_set_alone(drawn: list[m.GossipRecord], random: object) -> None:
    everything = GRANTED + drawn
    shuffled = list(everything)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Held.of(everything), Held.of(shuffled)
    assert one.entries == other.entries
    step_by_step, at_once = Roster(), Roster(other.entries.values())
    for entry in one.entries.values():
        step_by_step.take([entry])
    assert step_by_step.counted == at_once.counted
    assert step_by_step.members == at_once.members
    assert step_by_step.revision == at_once.revision
    expected = oracle(one)
    assert {name: (x.state, x.generation) for name, x in at_once.members.items()} == {
        name: (state, generation) for name, (state, generation, _) in expected.items()
    }
    assert {(name, domain) for name, (_, _, domains) in expected.items() for domain in domains} == set(at_once.counted)


@settings(max_examples=60)
@given(st.lists(records, max_size=20))
def test_the_changes_add_up_and_the_revision_grows(drawn: list[m.GossipRecord]) -> None:
    roster, held, revision = Roster(), Held({}), 0
    counted: dict[tuple[str, str], Counted] = {}
    for record in GRANTED + drawn:
        before = held.entries.get(record.key)
        if not held.take(record) or held.entries[record.key] == before:
            continue
        change = roster.take([held.entries[record.key]])
        for gone in change.removed:
            assert counted.pop((gone.owner, gone.domain)) == gone
        for come in change.added:
            assert (come.owner, come.domain) not in counted
            counted[come.owner, come.domain] = come
        assert counted == roster.counted
        changed = bool(change.added or change.removed)
        assert roster.revision > revision or (roster.revision == revision and not changed)
        revision = roster.revision


def test_an_eviction_wins_over_an_invitation_of_the_same_generation() -> None:
    held = Held.of([*GRANTED, membership("cat", 1, "ann.1"), verdict("cat", 1, "bob.1", State.EVICTED)])
    assert Roster(held.entries.values()).members["cat"].state is State.EVICTED
    held.take(membership("cat", 1, "bob.1"))
    assert Roster(held.entries.values()).members["cat"].state is State.EVICTED
    held.take(membership("cat", 2, "bob.1"))
    assert Roster(held.entries.values()).members["cat"].state is State.ACTIVE


def test_what_was_contributed_before_an_eviction_does_not_come_back_with_its_owner() -> None:
    held = Held.of(
        [
            *GRANTED,
            membership("cat", 1, ""),
            contribution("cat", 1, "", "law"),
            verdict("cat", 1, "", State.EVICTED),
            membership("cat", 2, ""),
        ]
    )
    assert Roster(held.entries.values()).counted == {}


@pytest.mark.parametrize(
    "record",
    [
        replace(membership("cat", 1, ""), signature=bytes(64)),
        replace(membership("cat", 1, ""), key="membership/bob/1/-"),
        replace(membership("cat", 1, ""), sequence=2),
        replace(membership("cat", 1, "ann.1"), signature=membership("cat", 1, "").signature),
        record_of(KEYS["cat"], m.MembershipBody(RECORD_VERSION, FEDERATION, "cat", 1, "", KEYS["cat"].public_bytes)),
        record_of(KEYS["bob"], m.DepartureBody(RECORD_VERSION, FEDERATION, "ann", 1, "", 1)),
        record_of(KEYS["ann"], m.VerdictBody(RECORD_VERSION, FEDERATION, "bob", 1, 1, "bob.1", State.EVICTED)),
        record_of(SIGNING, m.MembershipBody(RECORD_VERSION, "e" * 32, "cat", 1, "", KEYS["cat"].public_bytes)),
        replace(contribution("ann", 1, "", "law"), key="contribution/ann/1/-/code"),
        replace(contribution("ann", 1, "", "law"), sequence=9),
        replace(contribution("bob", 1, "", "law"), key="contribution/ann/1/-/law"),
    ],
)
def test_what_is_forged_is_refused(record: m.GossipRecord) -> None:
    known = Held.of([*GRANTED, membership("ann", 1, ""), membership("bob", 1, "")])
    with pytest.raises(InvalidRecord):
        JUDGE(record, known.entries.get)


def test_a_withdrawal_needs_no_payload_and_what_is_newer_or_unknown_waits() -> None:
    known = Held.of([membership("ann", 1, "")])
    signed = sign_withdrawal(KEYS["ann"], m.WithdrawalBody(CONTRIBUTION_VERSION, FEDERATION, "ann", "law", 2, 1))
    record = m.GossipRecord("contribution/ann/1/-/law", 2, signed.body, signed.signature)
    assert JUDGE(record, known.entries.get) == Accept("ann", None)
    assert JUDGE(contribution("bob", 1, "", "law"), known.entries.get) == NotYet("membership/bob/1/-")
    assert JUDGE(membership("cat", 1, "bob.1"), known.entries.get) == NotYet("grant/bob/1")
    assert JUDGE(m.GossipRecord("sum/round/9", 1, b"", b""), known.entries.get) == NotYet()
    newer = m.DepartureBody(RECORD_VERSION + 1, FEDERATION, "ann", 1, "", 1)
    assert JUDGE(record_of(KEYS["ann"], newer), known.entries.get) == NotYet()


def test_a_charter_is_the_authoritys_or_nobodys() -> None:
    assert open_charter(CHARTER.record, AUTHORITY.certificate_pem) == CHARTER
    other = CertificateAuthority.create(FEDERATION, datetime(2026, 1, 1, tzinfo=UTC), administrators=True)
    with pytest.raises(BadSignature):
        open_charter(CHARTER.record, other.certificate_pem)
    with pytest.raises(BadSignature):
        open_charter(replace(CHARTER.record, body=CHARTER.record.body + b"\x08\x02"), AUTHORITY.certificate_pem)


@given(st.text(max_size=60))
def test_a_key_is_written_in_one_way_only(text: str) -> None:
    with contextlib.suppress(BadKey):
        assert str(RecordKey.parse(text)) == text


@pytest.mark.parametrize("body", [m.GrantBody(owner="ann", generation=1), m.DepartureBody(owner="a", generation=3)])
def test_keys_come_back_as_they_were_written(body: m.GrantBody | m.DepartureBody) -> None:
    assert RecordKey.parse(str(key_of(body))) == key_of(body)
