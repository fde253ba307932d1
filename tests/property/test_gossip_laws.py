"""Laws of gossip: merging is a join, the trie is the set, and a comparison finds exactly what differs."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ridgeway.gossip.parameters import LAN
from ridgeway.gossip.reconciling import Findings, compare, newer, opening
from ridgeway.gossip.record import Entry, gossip_digest
from ridgeway.gossip.record_set import RecordSet, summary_of
from ridgeway.gossip.steady_clock import SteadyClock
from ridgeway.gossip.suspicion import Suspicion
from ridgeway.gossip.trie import EMPTY, Node, Place, below, places_of, position, put, trie_of
from ridgeway.proto.messages import GossipRecord, RecordSummary, TriePart


def entry_of(key: int, sequence: int, value: int) -> Entry:
    record = GossipRecord(f"key/{key}", sequence, str(value).encode(), b"signature")
    return Entry(record, gossip_digest(record), "author")


ENTRIES = st.builds(entry_of, st.integers(0, 12), st.integers(1, 4), st.integers(0, 2))
MANY = st.lists(ENTRIES, max_size=25)


def merged(*parts: list[Entry]) -> RecordSet:
    records = RecordSet()
    for entry in itertools.chain(*parts):
        records.merge(entry, 1)
    return records


def oracle(entries: list[Entry]) -> dict[str, Entry]:
    """The greatest of each key, found by sorting."""
    return {entry.key: entry for entry in sorted(entries, key=lambda each: each.rank)}


@given(MANY, MANY, MANY)
def test_merging_is_commutative_associative_and_idempotent(a: list[Entry], b: list[Entry], c: list[Entry]) -> None:
    assert merged(a, b).root == merged(b, a).root
    left, right = list(merged(a, b)), list(merged(b, c))
    assert merged(left, c).root == merged(a, right).root
    assert merged(a, a).root == merged(a).root


@given(MANY)
def test_what_counts_is_the_greatest_of_each_key(entries: list[Entry]) -> None:
    records = merged(entries)
    assert {entry.key: entry for entry in records} == oracle(entries)
    assert records.root == trie_of(map(summary_of, oracle(entries).values())).digest


@given(MANY, MANY)
def test_equal_roots_mean_equal_sets(a: list[Entry], b: list[Entry]) -> None:
    assert (merged(a).root == merged(b).root) == (oracle(a) == oracle(b))


@given(st.sets(st.integers(0, 400), max_size=300), st.randoms(use_true_random=False))
def test_the_trie_does_not_depend_on_the_order_in_which_it_grew(keys: set[int], random: object) -> None:
    summaries = [RecordSummary(f"key/{key}", 1, bytes(32)) for key in sorted(keys)]
    random.shuffle(summaries)  # type: ignore[attr-defined]
    grown: Node = EMPTY
    for summary in summaries:
        grown = put(grown, Place(position(summary.key), summary))
    assert grown == trie_of(summaries)
    assert {place.summary.key for place in places_of(grown)} == {f"key/{key}" for key in keys}


@given(st.sets(st.integers(0, 400), max_size=200), st.binary(max_size=3))
def test_below_a_prefix_lies_what_has_it(keys: set[int], raw: bytes) -> None:
    prefix = bytes(byte % 16 for byte in raw)
    summaries = [RecordSummary(f"key/{key}", 1, bytes(32)) for key in keys]
    inside = [summary for summary in summaries if position(summary.key).startswith(prefix)]
    node = below(trie_of(summaries), prefix)
    assert {place.summary.key for place in places_of(node)} == {summary.key for summary in inside}


SIDES = st.dictionaries(
    st.integers(0, 1500), st.tuples(st.sampled_from("abxy"), st.integers(1, 2), st.integers(1, 2)), max_size=400
)


def side(assignment: dict[int, tuple[str, int, int]], which: str) -> dict[str, RecordSummary]:
    """Records of one side: x and y stand for records on both, equal or not."""
    summaries = {}
    for key, (where, sequence, content) in assignment.items():
        if where in {which, "x", "y"}:
            version = content + (which == "b") if where == "y" else content
            summaries[f"key/{key}"] = RecordSummary(f"key/{key}", sequence, bytes([version]) * 32)
    return summaries


def converse(ours: Node, theirs: Node) -> tuple[list[Findings], int]:
    """Compare to the end, as `Exchange` does; the findings of both sides, and how many steps it took."""
    sides, found = (ours, theirs), [Findings(), Findings()]
    parts: list[TriePart] = [opening(theirs)]
    steps = 0
    while parts:
        turn = steps % 2
        step = Findings()
        for part in parts:
            compare(sides[turn], part, (), step)
        found[turn].ours += step.ours
        found[turn].theirs += step.theirs
        parts, steps = step.parts, steps + 1
    return found, steps


@settings(deadline=None)
@given(SIDES)
def test_a_comparison_finds_exactly_the_difference(assignment: dict[int, tuple[str, int, int]]) -> None:
    a, b = side(assignment, "a"), side(assignment, "b")
    (of_a, of_b), steps = converse(trie_of(a.values()), trie_of(b.values()))
    to_b = [*of_a.ours, *of_b.theirs]
    to_a = [*of_b.ours, *of_a.theirs]
    assert sorted(summary.key for summary in to_b) == sorted(k for k, s in a.items() if newer(s, b.get(k)))
    assert sorted(summary.key for summary in to_a) == sorted(k for k, s in b.items() if newer(s, a.get(k)))
    # A key's nibbles, two more for the last leaves; keys are spread evenly, so far fewer are needed.
    assert steps <= 8


@given(st.integers(1, 2000), st.integers(0, 10))
def test_a_suspicion_lasts_between_its_shortest_and_its_longest(members: int, accusers: int) -> None:
    suspicion = Suspicion.against(0, "first", members, 100.0, LAN)
    ends = [suspicion.ends_s]
    for accuser in range(accusers):
        suspicion.confirm(f"accuser-{accuser}")
        ends.append(suspicion.ends_s)
    assert ends == sorted(ends, reverse=True)
    assert all(suspicion.shortest_s <= end - 100.0 + 1e-9 <= suspicion.longest_s + 1e-6 for end in ends)
    if accusers >= suspicion.needed:
        assert abs(ends[-1] - 100.0 - suspicion.shortest_s) < 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_time_neither_goes_back_nor_leaps(readings: list[float]) -> None:
    clock = SteadyClock()
    steady = [clock.advance(reading) for reading in readings]
    assert all(0.0 <= later - earlier <= 2.0 + 1e-6 for earlier, later in itertools.pairwise(steady))
