"""One peer at a time: what it does for each event, and what it refuses."""

from random import Random

import pytest

from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests
from ridgeway.gossip import effects as ef
from ridgeway.gossip import events as ev
from ridgeway.gossip.judging import InvalidRecord
from ridgeway.gossip.limits import FRAME_VERSION
from ridgeway.gossip.paces import Paces
from ridgeway.gossip.parameters import LAN
from ridgeway.gossip.peer import Peer, Restored
from ridgeway.gossip.record import Entry, Payload, gossip_digest
from ridgeway.proto import messages as m
from ridgeway.simulation.gossip_trust import AUTHORITY, judge, membership_key, sign

NAMES = ("ann", "bob", "cay", "dan")
PAYLOAD = bytes(CHUNK_BYTES) + b"the end"


def membership(name: str) -> Entry:
    record = sign(AUTHORITY, membership_key(name), 1, 0)
    return Entry(record, gossip_digest(record), AUTHORITY)


def contribution(name: str, sequence: int = 1, value: int = 7, payload: bytes | None = None) -> m.GossipRecord:
    return sign(name, f"contribution/{name}", sequence, value, payload)


class Bench:
    """A peer that knows three others, all connected, and a clock."""

    def __init__(self, restored: Restored | None = None, addresses: dict[str, str] | None = None) -> None:
        restored = restored or Restored(tuple(map(membership, NAMES)))
        self.peer = Peer("ann", judge, Random(1), restored)
        self.now_s = 1000.0
        self.handle(ev.MembersKnown(addresses or {name: f"{name}:7443" for name in NAMES}))
        for name in NAMES[1:]:
            self.handle(ev.Linked(name))

    def handle(self, event: ev.Event) -> ef.Effects:
        return self.peer.handle(event, self.now_s)

    def receive(self, peer: str, **body: object) -> ef.Effects:
        return self.handle(ev.FrameReceived(peer, m.PeerFrame(FRAME_VERSION, **body)))  # type: ignore[arg-type]

    def records(self, peer: str, *records: m.GossipRecord) -> ef.Effects:
        return self.receive(peer, reconciliation=m.Reconciliation(records=records))

    def wait(self, seconds: float) -> ef.Effects:
        effects: ef.Effects = []
        end_s = self.now_s + seconds
        while self.peer.wake_at_s <= end_s:
            self.now_s = max(self.now_s, self.peer.wake_at_s)
            effects += self.handle(ev.Tick())
        self.now_s = end_s
        return effects

    def state_of(self, name: str) -> m.PeerState:
        return next(view.state for view in self.peer.peers() if view.peer == name)


def only(effects: ef.Effects, kind: type) -> list:  # type: ignore[type-arg]
    return [effect for effect in effects if isinstance(effect, kind)]


def kinds(effects: ef.Effects) -> list[type]:
    return [type(effect) for effect in effects]


def test_a_record_is_durable_before_it_counts_and_before_anybody_is_told() -> None:
    bench = Bench()
    effects = bench.receive("bob", digest=m.PeerDigest(root=bytes(32), fresh=(contribution("bob"),)))
    assert kinds(effects)[:2] == [ef.Persist, ef.Applied]
    assert only(effects, ef.Send)[0].frame.digest.root == bench.peer.root


def test_the_same_record_again_is_ignored() -> None:
    bench = Bench()
    bench.records("bob", contribution("bob"))
    assert bench.records("cay", contribution("bob")) == []


def test_an_older_record_does_not_come_back() -> None:
    bench = Bench()
    bench.records("bob", contribution("bob", 2, 0))
    assert bench.records("cay", contribution("bob", 1, 7)) == []
    entry = bench.peer.held("contribution/bob")
    assert entry is not None and entry.record.sequence == 2


def test_a_record_whose_membership_is_not_there_yet_counts_when_it_comes() -> None:
    bench = Bench()
    record = contribution("eve")
    assert bench.records("bob", record) == []
    applied = only(bench.records("cay", membership("eve").record), ef.Applied)
    assert [entry.record for entry in applied[0].entries] == [membership("eve").record, record]


def test_a_forged_record_costs_the_connection_and_repetition_attention() -> None:
    bench = Bench()
    forged = m.GossipRecord("contribution/cay", 1, contribution("cay").body, bytes(64))
    first = bench.records("bob", forged)
    assert only(first, ef.Misbehaved)[0].ignored_s == 0.0 and only(first, ef.Disconnect)[0].peer == "bob"
    waits = []
    for sequence in range(2, 6):
        bench.handle(ev.Linked("bob"))
        again = bench.records("bob", m.GossipRecord("contribution/cay", sequence, b"?", bytes(64)))
        waits.append(only(again, ef.Misbehaved)[0].ignored_s)
        assert bench.records("bob", contribution("bob")) == []
        bench.wait(waits[-1] + 1)
    assert waits == [10.0, 20.0, 40.0, 80.0]
    assert only(bench.records("bob", contribution("bob")), ef.Applied)


def test_who_is_ignored_is_not_let_in() -> None:
    bench = Bench()
    for _ in range(2):
        bench.handle(ev.FrameMalformed("bob"))
    assert kinds(bench.handle(ev.Linked("bob"))) == [ef.Disconnect]


def test_a_bad_signature_does_not_keep_the_good_one_out() -> None:
    bench = Bench()
    record = contribution("cay")
    bench.records("bob", m.GossipRecord(record.key, record.sequence, record.body, bytes(64)))
    assert only(bench.records("dan", record), ef.Applied)


def test_two_records_with_one_number_are_reported_and_the_same_one_is_kept_everywhere() -> None:
    one, other = contribution("bob", 1, 7), contribution("bob", 1, 8)
    roots = set()
    for first, second in ((one, other), (other, one)):
        bench = Bench()
        bench.records("bob", first)
        assert only(bench.records("cay", second), ef.Equivocated)
        assert not only(bench.records("cay", second), ef.Equivocated)
        roots.add(bench.peer.root)
    assert len(roots) == 1


def test_an_owner_restored_from_an_old_copy_is_told() -> None:
    bench = Bench()
    effects = bench.records("bob", contribution("ann", 9))
    assert kinds(effects)[0] is ef.OwnRecordAhead
    with pytest.raises(InvalidRecord, match="sign again with 10 or more"):
        bench.handle(ev.Publish((contribution("ann", 3, 1),)))
    assert only(bench.handle(ev.Publish((contribution("ann", 10, 1),))), ef.Persist)


def test_nothing_of_a_publication_counts_if_a_part_is_not_valid() -> None:
    bench = Bench()
    root = bench.peer.root
    with pytest.raises(InvalidRecord):
        bench.handle(ev.Publish((contribution("ann"), m.GossipRecord("x", 1, b"?", b"?"))))
    assert bench.peer.root == root


def requests(effects: ef.Effects) -> list[tuple[str, int]]:
    sends = [send for send in only(effects, ef.Send) if send.frame.chunk_request is not None]
    return [(send.peer, place.index) for send in sends for place in send.frame.chunk_request.places]


def chunk(index: int, payload: bytes = PAYLOAD) -> m.GossipChunk:
    digest = Payload.of(len(payload), chunk_digests(payload)).digest
    return m.GossipChunk(digest, index, payload[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES])


def test_a_record_counts_when_its_payload_is_whole_and_found_good() -> None:
    bench = Bench()
    effects = bench.records("bob", contribution("bob", payload=PAYLOAD))
    assert kinds(effects)[0] is ef.Expect and requests(effects) == [("bob", 0), ("bob", 1)]
    assert kinds(bench.receive("bob", chunk=chunk(1))) == [ef.StoreChunk]
    effects = bench.receive("bob", chunk=chunk(0))
    assert kinds(effects) == [ef.StoreChunk, ef.CompletePayload]
    digest = bench.peer.pending()[0].digest
    assert kinds(bench.handle(ev.PayloadJudged(digest, valid=True))) == [ef.Persist, ef.Applied]
    assert not bench.peer.pending()


def test_chunks_come_from_whoever_has_them_and_go_on_after_a_loss() -> None:
    bench = Bench()
    bench.records("bob", contribution("bob", payload=PAYLOAD))
    bench.receive("bob", chunk=chunk(0))
    bench.records("cay", contribution("bob", payload=PAYLOAD))
    assert requests(bench.handle(ev.LinkLost("bob"))) == [("cay", 1)]


def test_a_chunk_that_does_not_come_is_asked_of_somebody_else() -> None:
    bench = Bench()
    bench.records("bob", contribution("bob", payload=b"small"))
    bench.records("cay", contribution("bob", payload=b"small"))
    assert ("cay", 0) in requests(bench.wait(3.0))


def test_a_transfer_goes_on_after_a_restart() -> None:
    first = Bench()
    entry = only(first.records("bob", contribution("bob", payload=PAYLOAD)), ef.Expect)[0].entry
    held = tuple(map(membership, NAMES))
    bench = Bench(Restored(held, (entry,), {entry.payload.digest: frozenset({0})}))
    assert requests(bench.records("cay", entry.record)) == [("cay", 1)]


def test_a_wrong_chunk_is_an_offence_and_is_not_stored() -> None:
    bench = Bench()
    bench.records("bob", contribution("bob", payload=b"small"))
    effects = bench.receive("bob", chunk=m.GossipChunk(chunk(0, b"small").payload_digest, 0, b"smell"))
    assert only(effects, ef.Misbehaved) and not only(effects, ef.StoreChunk)


def test_a_payload_whose_numbers_are_bad_is_refused_for_ever() -> None:
    bench = Bench()
    record = contribution("bob", payload=b"small")
    bench.records("bob", record)
    bench.receive("bob", chunk=chunk(0, b"small"))
    effects = bench.handle(ev.PayloadJudged(bench.peer.pending()[0].digest, valid=False))
    assert only(effects, ef.Abandon) and only(effects, ef.Misbehaved)[0].peer == "bob"
    assert bench.records("cay", record) == []


def test_a_lost_payload_is_fetched_again_and_does_not_count_meanwhile() -> None:
    bench = Bench()
    bench.handle(ev.Publish((contribution("ann", payload=b"small"),)))
    effects = bench.handle(ev.PayloadMissing(chunk(0, b"small").payload_digest))
    assert kinds(effects)[:2] == [ef.Withheld, ef.Expect]
    assert bench.peer.held("contribution/ann") is None
    assert requests(bench.records("bob", contribution("ann", payload=b"small"))) == [("bob", 0)]


def test_payloads_are_served_only_when_they_count() -> None:
    bench = Bench()
    place = m.ChunkPlace(chunk(0, b"small").payload_digest, 0)
    effects = bench.receive("bob", chunk_request=m.ChunkRequest((place,)))
    assert only(effects, ef.Send)[0].frame.chunk_absence is not None
    bench.handle(ev.Publish((contribution("ann", payload=b"small"),)))
    assert kinds(bench.receive("bob", chunk_request=m.ChunkRequest((place,)))) == [ef.SendChunk]


def test_a_lasting_difference_of_sums_over_the_same_records_is_a_fault() -> None:
    bench = Bench()
    bench.handle(ev.SumReady(bench.peer.root, b"ours", b"w"))
    diverged = []
    for _ in range(6):
        digest = m.PeerDigest(root=bench.peer.root, sum_digest=b"theirs", weights_digest=b"w", answer=True)
        diverged += only(bench.receive("bob", digest=digest), ef.Diverged)
        bench.wait(1.0)
    assert [(each.peer, each.what, each.ours, each.theirs) for each in diverged] == [("bob", "sum", b"ours", b"theirs")]


def test_sums_over_different_records_may_differ() -> None:
    bench = Bench()
    bench.handle(ev.SumReady(bytes(32), b"ours"))
    for _ in range(6):
        digest = m.PeerDigest(root=bench.peer.root, sum_digest=b"theirs", answer=True)
        assert not only(bench.receive("bob", digest=digest), ef.Diverged)
        bench.wait(1.0)


@pytest.mark.parametrize(
    "body",
    [
        {"digest": m.PeerDigest(root=b"short")},
        {"reconciliation": m.Reconciliation(parts=tuple(m.TriePart() for _ in range(257)))},
        {"reconciliation": m.Reconciliation(parts=(m.TriePart(prefix=b"\x10"),))},
        {"reconciliation": m.Reconciliation(parts=(m.TriePart(prefix=bytes(65)),))},
        {"reconciliation": m.Reconciliation(parts=(m.TriePart(children=(bytes(32),)),))},
        {"reconciliation": m.Reconciliation(wants=("",))},
        {"reconciliation": m.Reconciliation(wants=("k",) * 513)},
        {"reconciliation": m.Reconciliation(records=(m.GossipRecord("k", 0, b"", b""),))},
        {"reconciliation": m.Reconciliation(records=(m.GossipRecord("k", 1 << 63, b"", b""),))},
        {"reconciliation": m.Reconciliation(records=(m.GossipRecord("k", 1, bytes(65537), b""),))},
        {"chunk_request": m.ChunkRequest(tuple(m.ChunkPlace(bytes(32), index) for index in range(17)))},
    ],
)
def test_what_is_beyond_the_bounds_is_an_offence(body: dict[str, object]) -> None:
    bench = Bench()
    effects = bench.receive("bob", **body)
    assert kinds(effects) == [ef.Misbehaved, ef.Disconnect]


def test_a_flood_of_frames_is_not_answered() -> None:
    bench = Bench()
    answers = sum(len(only(bench.receive("bob", digest=m.PeerDigest(root=bytes(32))), ef.Send)) for _ in range(2000))
    assert answers <= 600


def test_frames_of_strangers_and_of_other_versions_are_ignored() -> None:
    bench = Bench()
    assert bench.receive("mallory", digest=m.PeerDigest(root=bytes(32))) == []
    frame = m.PeerFrame(2, digest=m.PeerDigest(root=bytes(32)))
    assert bench.handle(ev.FrameReceived("bob", frame)) == []


def test_who_does_not_answer_is_suspected_and_then_dead_and_comes_back_by_itself() -> None:
    bench = Bench()
    states = [effect.state for effect in only(bench.wait(60.0), ef.PeerChanged) if effect.peer == "bob"]
    assert states == [m.PeerState.SUSPECT, m.PeerState.DEAD]
    bench.receive("cay", updates=(m.PeerUpdate("bob", m.PeerState.ALIVE, 1),))
    assert bench.state_of("bob") is m.PeerState.ALIVE


def test_the_dead_are_tried_again() -> None:
    bench = Bench()
    bench.wait(60.0)
    for name in NAMES[1:]:
        bench.handle(ev.LinkLost(name))
    assert only(bench.wait(15.0), ef.Connect)


def test_an_accusation_is_refuted_with_a_greater_incarnation() -> None:
    bench = Bench()
    bench.receive("bob", updates=(m.PeerUpdate("ann", m.PeerState.SUSPECT, 4, "cay"),))
    news = [update for send in only(bench.wait(0.5), ef.Send) for update in send.frame.updates]
    assert m.PeerUpdate("ann", m.PeerState.ALIVE, 5) in news


def test_nobody_can_use_up_the_incarnations_of_another() -> None:
    bench = Bench()
    bench.receive("bob", updates=(m.PeerUpdate("cay", m.PeerState.DEAD, (1 << 64) - 1, "bob"),))
    assert bench.state_of("cay") is m.PeerState.ALIVE


def test_a_process_that_stood_still_accuses_nobody() -> None:
    bench = Bench()
    bench.wait(0.9)
    bench.now_s += 3600.0
    bench.handle(ev.Tick())
    assert all(view.state is not m.PeerState.DEAD for view in bench.peer.peers())


def test_who_has_no_address_is_never_dialled_and_takes_part_when_it_calls() -> None:
    addresses = {name: "" if name == "bob" else f"{name}:7443" for name in NAMES}
    bench = Bench(addresses=addresses)
    bench.handle(ev.LinkLost("bob"))
    effects = bench.wait(30.0)
    assert "bob" not in {effect.peer for effect in only(effects, ef.Connect)}
    bench.handle(ev.Linked("bob"))
    assert only(bench.receive("bob", digest=m.PeerDigest(root=bytes(32))), ef.Send)[0].peer == "bob"


def test_an_indirect_ping_is_passed_on_and_answered() -> None:
    bench = Bench()
    probe = m.PeerProbe(m.ProbeKind.INDIRECT_PING, 77, "cay")
    ping = only(bench.receive("bob", probe=probe), ef.Send)[0]
    assert ping.peer == "cay" and ping.frame.probe.kind is m.ProbeKind.PING
    ack = m.PeerProbe(m.ProbeKind.ACK, ping.frame.probe.number)
    answer = only(bench.receive("cay", probe=ack), ef.Send)[0]
    assert (answer.peer, answer.frame.probe) == ("bob", m.PeerProbe(m.ProbeKind.ACK, 77))


def test_an_indirect_ping_without_answer_is_nacked() -> None:
    bench = Bench()
    bench.receive("bob", probe=m.PeerProbe(m.ProbeKind.INDIRECT_PING, 77, "cay"))
    probes = [(send.peer, send.frame.probe) for send in only(bench.wait(0.6), ef.Send) if send.frame.probe]
    assert ("bob", m.PeerProbe(m.ProbeKind.NACK, 77)) in probes


def test_a_leaving_owner_sees_who_holds_its_last_record() -> None:
    bench = Bench()
    bench.handle(ev.Publish((contribution("ann", 1, 0),)))
    assert bench.peer.holders("contribution/ann") == 0
    for name in ("bob", "cay"):
        bench.receive(name, digest=m.PeerDigest(root=bench.peer.root, answer=True))
    assert bench.peer.holders("contribution/ann") == 2


def test_who_is_a_member_no_more_is_disconnected_and_forgotten() -> None:
    bench = Bench()
    effects = bench.handle(ev.MembersKnown({name: "" for name in NAMES if name != "bob"}))
    assert [effect.peer for effect in only(effects, ef.Disconnect)] == ["bob"]
    assert "bob" not in {view.peer for view in bench.peer.peers()}


def pings(effects: ef.Effects, peer: str) -> list[ef.Send]:
    sends = [e for e in only(effects, ef.Send) if e.peer == peer and e.frame.probe is not None]
    return [send for send in sends if send.frame.probe.kind is m.ProbeKind.PING]


def test_a_probe_that_is_not_answered_is_repeated_a_few_times() -> None:
    bench = Bench()
    effects = bench.wait(1.9)
    asked = {e.peer for e in only(effects, ef.Send) if pings([e], e.peer)}
    assert any(len(pings(effects, peer)) >= 4 for peer in asked)
    numbers = [e.frame.probe.number for peer in asked for e in pings(effects, peer) if e.frame.probe is not None]
    assert all(numbers.count(number) <= 1 + LAN.probe_repeats for number in numbers)


def test_who_is_heard_is_not_taken_for_dead_whoever_accuses_it() -> None:
    bench = Bench()
    for accuser in ("cay", "dan"):
        bench.receive(accuser, updates=(m.PeerUpdate("bob", m.PeerState.SUSPECT, 0, accuser),))
    for _ in range(10):
        bench.wait(1.0)
        bench.receive("bob", digest=m.PeerDigest(root=bench.peer.root))
    assert bench.state_of("bob") is m.PeerState.SUSPECT
    bench.wait(8.0)
    assert bench.state_of("bob") is m.PeerState.DEAD


def test_of_those_who_hear_of_an_accusation_some_look_for_themselves() -> None:
    bench = Bench()
    bench.receive("cay", updates=(m.PeerUpdate("bob", m.PeerState.SUSPECT, 0, "cay"),))
    assert pings(bench.wait(LAN.probe_interval_s), "bob")


def test_who_sends_a_chunk_just_now_is_not_accused() -> None:
    bench = Bench()
    bench.records("bob", contribution("bob", payload=PAYLOAD))
    bench.wait(3.0)
    assert {bench.state_of(name) for name in ("cay", "dan")} == {m.PeerState.SUSPECT}
    assert bench.state_of("bob") is m.PeerState.ALIVE
    bench.wait(20.0)
    assert bench.state_of("bob") is not m.PeerState.ALIVE


def test_a_slow_peer_is_waited_for_at_its_own_pace() -> None:
    paces, payload = Paces(), bytes(32)
    assert paces.expected_s("bob", CHUNK_BYTES) == pytest.approx(8.0)
    paces.asked("bob", payload, 0, 0.0)
    paces.arrived("bob", payload, 0, CHUNK_BYTES, 20.0)
    assert paces.expected_s("bob", CHUNK_BYTES) == pytest.approx(40.0)
    paces.arrived("bob", payload, 1, CHUNK_BYTES, 21.0)
    assert paces.expected_s("bob", CHUNK_BYTES) == pytest.approx(40.0)
    paces.forget("bob")
    assert paces.expected_s("bob", CHUNK_BYTES) == pytest.approx(8.0)
