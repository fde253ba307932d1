"""Sums of prompts depend on no order, no batch and no partition: the same bits, for both feature maps."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import toy_embedder

from ridgeway import fixed_point, triangle
from ridgeway.exact_gram import ENTRY_BITS, ExactGram
from ridgeway.feature_map import Accumulator, accumulator
from ridgeway.hold_out import HoldOut
from ridgeway.manifest import FeatureMap, Manifest, PooledSettings
from ridgeway.pooled import pooled_rows, weigh

EMBEDDER = toy_embedder()
WORDS = [f"w{index}" for index in range(1, 9)]
CORPORA = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), min_size=1, max_size=60)
KEY = b"k" * 32


def manifest_of(feature_map: FeatureMap) -> Manifest:
    return Manifest("test", EMBEDDER.fingerprint, feature_map=feature_map, pooled=PooledSettings(columns=16))


def added(manifest: Manifest, prompts: list[str], batch: int) -> tuple[Accumulator, HoldOut]:
    rows, hold_out = accumulator(manifest, EMBEDDER), HoldOut(KEY, 0.3)
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        rows.add(hold_out.split(part, EMBEDDER.encode_batch(part)))
    return rows, hold_out


@settings(deadline=None)
@pytest.mark.parametrize("feature_map", list(FeatureMap))
@given(corpus=CORPORA, data=st.data())
def test_any_order_and_any_partition_give_the_same_bits(
    feature_map: FeatureMap, corpus: list[str], data: st.DataObject
) -> None:
    manifest = manifest_of(feature_map)
    whole, whole_held = added(manifest, corpus, batch=len(corpus))
    shuffled = data.draw(st.permutations(corpus))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(corpus)), max_size=5)))
    merged, merged_held = accumulator(manifest, EMBEDDER), HoldOut(KEY, 0.3)
    for start, stop in zip([0, *cuts], [*cuts, len(corpus)], strict=True):
        part, held = added(manifest, shuffled[start:stop], batch=data.draw(st.integers(1, 20)))
        merged.merge(part.sums())
        merged_held.merge(held.held, held.kept())
    assert merged.sums().rows == whole.sums().rows
    assert np.array_equal(merged.sums().numbers, whole.sums().numbers)
    assert merged_held.held == whole_held.held
    assert merged_held.prompts() == whole_held.prompts()


@settings(deadline=None)
@given(
    entries=st.lists(
        st.lists(st.floats(-15.99, 15.99), min_size=3, max_size=3),
        min_size=1,
        max_size=40,
    )
)
def test_the_exact_sum_is_that_of_fractions(entries: list[list[float]]) -> None:
    gram = ExactGram(4)
    rows = np.array(entries)
    gram.add(rows)
    units = np.hstack([np.rint(rows * 2.0**ENTRY_BITS), np.full((len(rows), 1), 2.0**ENTRY_BITS)]).astype(object)
    expected = [[sum(int(row[i]) * int(row[j]) for row in units) for j in range(4)] for i in range(4)]
    whole, fraction = gram.sums().astype(object)
    exact = [int(w) * 2**44 + int(f) for w, f in zip(whole, fraction, strict=True)]
    assert exact == [expected[i][j] for i in range(4) for j in range(i, 4)]
    assert all(0 <= int(f) < 2**44 for f in fraction)
    matrix = gram.matrix()
    assert all(matrix[i, j] == float(Fraction(expected[i][j], 2**44)) for i in range(4) for j in range(4))


def test_sums_beyond_what_a_float_counts_stay_exact() -> None:
    rows = np.full((200, 2), 15.999)
    gram = ExactGram(3)
    for _ in range(50):
        gram.add(rows)
    unit = int(np.rint(15.999 * 2**ENTRY_BITS))
    whole, fraction = gram.sums().astype(object)
    assert int(whole[0]) * 2**44 + int(fraction[0]) == 10_000 * unit**2
    assert gram.rows == 10_000


@pytest.mark.parametrize(("entry", "error"), [(float("nan"), "NonFiniteValue"), (17.0, "FixedPointOverflow")])
def test_what_does_not_fit_is_refused(entry: float, error: str) -> None:
    with pytest.raises(getattr(fixed_point, error)):
        ExactGram(3).add(np.full((1, 2), entry))


def test_a_row_is_the_same_in_every_batch() -> None:
    rng = np.random.default_rng(7)
    prompts = [rng.integers(1, 9, size=rng.integers(1, 40)).tolist() for _ in range(400)]
    settings_ = PooledSettings(columns=24)
    together = pooled_rows(weigh(prompts, EMBEDDER), EMBEDDER, settings_)
    alone = np.vstack([pooled_rows(weigh([prompt], EMBEDDER), EMBEDDER, settings_) for prompt in prompts])
    assert np.array_equal(together, alone)


def test_no_weight_hangs_on_the_last_bits_of_a_logarithm() -> None:
    """float32(1 + log(count)) is the same for every logarithm that is right to 2^-48; machines need not agree on it."""
    logarithms = 1.0 + np.log(np.arange(1, 1 << 16, dtype=np.float64))
    for nudge in (1 - 2.0**-48, 1 + 2.0**-48):
        assert np.array_equal((logarithms * nudge).astype(np.float32), logarithms.astype(np.float32))


def test_the_packed_moment_is_the_last_column() -> None:
    gram = ExactGram(3)
    gram.add(np.array([[0.5, -0.25], [0.25, 0.75]]))
    assert triangle.last_column(triangle.pack(gram.matrix()), 3).tolist() == [0.75, 0.5, 2.0]
