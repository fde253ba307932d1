"""Laws of secure aggregation: the masked sum is the survivors' plain sum to the bit, whoever vanishes and when."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from secagg_rounds import STEPS, Rehearsal, plain_sum, some_nodes

from ridgeway.secagg.aggregator import Phase
from ridgeway.secagg.masks import BLOCK_NUMBERS, Mask, Masking, masked
from ridgeway.secagg.merkle import Tree, proves
from ridgeway.secagg.participant import Finished
from ridgeway.secagg.plan import COMPLETE_MAX, neighbours, plan
from ridgeway.secagg.positions import BadBitmap, from_bitmap, to_bitmap
from ridgeway.secagg.shamir import PRIME, BadShares, combine, secret_of, shares_of, split

secrets = st.binary(min_size=32, max_size=32)


@given(st.integers(0, 2**32), st.lists(st.sampled_from(STEPS), min_size=3, max_size=9), st.integers(1, 60))
def test_the_masked_sum_is_the_plain_sum_of_the_survivors(seed: int, vanishing: list[str], length: int) -> None:
    nodes = some_nodes(len(vanishing), length, seed)
    for node, step in zip(nodes, vanishing, strict=True):
        node.vanishes = step
    rehearsal = Rehearsal(nodes, seed=seed)
    total = rehearsal.run()
    delivered = {node.owner for node in nodes if STEPS.index(node.vanishes) > STEPS.index("input_wanted")}
    if total is None:
        assert rehearsal.aggregator.phase is Phase.ABORTED
        assert rehearsal.aggregator.reason
        assert not rehearsal.aggregator.vector.size
        return
    survivors = {body.owner for body in total.survivors}
    assert survivors == delivered == rehearsal.aggregator.included
    np.testing.assert_array_equal(total.vector, plain_sum(nodes, survivors))


@given(st.integers(0, 2**32), st.integers(4, 9), st.data())
def test_a_round_succeeds_whenever_a_threshold_stays(seed: int, size: int, data: st.DataObject) -> None:
    nodes = some_nodes(size, 5, seed)
    # Those who never advertise do not count; of the cohort a threshold must stay to the end.
    absent = data.draw(st.integers(0, size - 3))
    cohort = size - absent
    leaving = data.draw(st.integers(0, cohort - max(3, plan(cohort).threshold)))
    for node in nodes[:absent]:
        node.vanishes = "terms"
    for node in nodes[absent : absent + leaving]:
        node.vanishes = data.draw(st.sampled_from(STEPS[1:]))
    total = Rehearsal(nodes, seed=seed).run()
    assert total is not None
    np.testing.assert_array_equal(total.vector, plain_sum(nodes, {body.owner for body in total.survivors}))


@pytest.mark.parametrize("kind", ["even", "uneven"])
def test_a_cohort_too_large_for_a_complete_graph(kind: str) -> None:
    nodes = some_nodes(160, 3, seed=5)
    for place, node in enumerate(nodes):
        if kind == "uneven" and place % 20 == 0:
            node.vanishes = STEPS[1 + place // 20 % 5]
    total = Rehearsal(nodes, seed=6).run()
    assert total is not None
    assert plan(160).degree < 159
    np.testing.assert_array_equal(total.vector, plain_sum(nodes, {body.owner for body in total.survivors}))


@given(st.integers(0, 2**32))
def test_nobody_keeps_a_secret_after_the_round(seed: int) -> None:
    nodes = some_nodes(4, 3, seed)
    Rehearsal(nodes, seed=seed).run()
    assert all(node.participant is not None and isinstance(node.participant.phase, Finished) for node in nodes)


def test_a_masked_vector_is_uniform() -> None:
    """Chi-squared over the bytes of zeros that were masked: 255 degrees of freedom, far from 5 standard deviations."""
    zeros = np.zeros(1 << 16, dtype=np.int64)
    covered = next(masked([zeros], [Mask(bytes(range(32))), Mask(bytes(32), negative=True)]))
    counts = np.bincount(covered.view(np.uint8), minlength=256)
    expected = counts.sum() / 256
    statistic = float((np.square(counts - expected) / expected).sum())
    assert abs(statistic - 255) < 5 * math.sqrt(2 * 255)
    assert not zeros.any()


@given(
    st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.booleans()), max_size=5), st.lists(st.integers(0, 40))
)
@settings(max_examples=30)
def test_masks_come_off_in_pieces_as_they_went_on_whole(keys: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    masks = [Mask(key, negative) for key, negative in keys]
    plain = np.arange(BLOCK_NUMBERS + 41, dtype=np.int64)
    covered = next(masked([plain], masks))
    taking_off = Masking([mask.inverse() for mask in masks])
    for piece in np.split(covered, sorted(cuts)):
        taking_off.add_to(piece)
    np.testing.assert_array_equal(covered, plain)


@given(secrets, secrets, st.integers(1, 12), st.data())
def test_any_threshold_of_shares_opens_a_secret(
    secret: bytes, entropy: bytes, threshold: int, data: st.DataObject
) -> None:
    points = data.draw(st.lists(st.integers(1, 500), min_size=threshold, max_size=20, unique=True))
    shares = dict(zip(points, shares_of(secret, entropy, threshold, points), strict=True))
    chosen = data.draw(st.permutations(points))[:threshold]
    assert secret_of({point: shares[point] for point in chosen}, threshold) == secret
    with pytest.raises(BadShares):
        secret_of({point: shares[point] for point in chosen[1:]}, threshold)


@given(secrets, secrets, st.binary(min_size=32, max_size=32))
def test_fewer_shares_fit_every_secret(secret: bytes, entropy: bytes, other: bytes) -> None:
    """With one share missing there is, for any other secret, a last share that would give it."""
    first, second, _ = shares_of(secret, entropy, 3, [1, 2, 3])
    known = {1: int.from_bytes(first, "little"), 2: int.from_bytes(second, "little")}
    wanted = int.from_bytes(other, "little")
    # Lagrange at 0 over {1, 2, 3}: 3 y1 - 3 y2 + y3.
    third = (wanted - 3 * known[1] + 3 * known[2]) % PRIME
    assert combine(known | {3: third}) == wanted


def test_shamir_s_published_example() -> None:
    """Wikipedia, Shamir's secret sharing: S = 1234, f(x) = 1234 + 166 x + 94 x^2 over p = 1613."""
    points = [1, 2, 3, 4, 5, 6]
    shares = split(1234, [166, 94], points, prime=1613)
    assert shares == [1494, 329, 965, 176, 1188, 775]
    assert combine({2: 329, 4: 176, 5: 1188}, prime=1613) == 1234


def test_the_field_is_prime() -> None:
    """Miller and Rabin's test for the bases that would catch a composite of this size by chance below 2^-80."""
    odd, twos = PRIME - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 45):
        value = pow(base, odd, PRIME)
        assert value in {1, PRIME - 1} or any((value := value * value % PRIME) == PRIME - 1 for _ in range(twos - 1))


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_a_merkle_proof_proves_its_leaf_and_place_only(leaves: list[bytes], data: st.DataObject) -> None:
    tree = Tree(leaves)
    position = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.proof(position)
    assert proves(leaves[position], position, len(leaves), proof, tree.root)
    assert not proves(leaves[position] + b"x", position, len(leaves), proof, tree.root)
    assert not proves(leaves[position], position, len(leaves), (*proof, bytes(32)), tree.root)
    elsewhere = data.draw(st.integers(0, len(leaves) - 1))
    assume(leaves[elsewhere] != leaves[position])
    assert not proves(leaves[position], elsewhere, len(leaves), proof, tree.root)


@given(st.integers(1, 400), secrets)
@settings(max_examples=40)
def test_neighbours_are_mutual_and_as_many_as_planned(size: int, root: bytes) -> None:
    around = {position: neighbours(root, size, position) for position in range(0, size, max(1, size // 7))}
    for position, others in around.items():
        assert len(set(others)) == len(others) == plan(size).degree
        assert position not in others
        assert all(position in neighbours(root, size, other) for other in others)


@pytest.mark.parametrize("size", [3, 4, 5, 6, 16, COMPLETE_MAX, 64, 200, 1000, 5000])
def test_thresholds_are_strictly_more_than_two_thirds(size: int) -> None:
    chosen = plan(size)
    assert 3 * chosen.threshold > 2 * (chosen.degree + 1)
    assert chosen.threshold <= chosen.degree + 1


def test_neighbours_grow_like_the_logarithm() -> None:
    assert plan(100_000).degree - plan(10_000).degree <= plan(10_000).degree - plan(1_000).degree
    assert plan(10_000).degree < 2 * plan(200).degree


@given(st.sets(st.integers(0, 99)))
def test_bitmaps_come_back(positions: set[int]) -> None:
    assert from_bitmap(to_bitmap(positions, 100), 100) == positions


@pytest.mark.parametrize("bitmap", [b"", b"\x00", b"\x00\x10", b"\x00\x00\x00"])
def test_a_bitmap_of_another_cohort(bitmap: bytes) -> None:
    with pytest.raises(BadBitmap):
        from_bitmap(bitmap, 12)
