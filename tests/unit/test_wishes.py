"""What a new federation agrees on where its operator says nothing."""

import pytest
from toy import toy_embedder

from ridgeway.coordinator.founding import ManifestIsFixed, Wishes
from ridgeway.manifest import FeatureMap, Manifest, ManifestError, Masking, MassRule

FINGERPRINT = toy_embedder().fingerprint


def founded(wishes: Wishes) -> Manifest:
    return wishes.manifest("f", FINGERPRINT)


def test_a_new_federation_masks() -> None:
    assert founded(Wishes()).masking is Masking.REQUIRED
    assert founded(Wishes(masking=Masking.OFF)).masking is Masking.OFF


@pytest.mark.parametrize(
    ("features", "masking", "mass"),
    [
        (FeatureMap.POOLED, Masking.REQUIRED, MassRule.OWNER),
        (FeatureMap.POOLED, Masking.OFF, MassRule.OWNER),
        (FeatureMap.TOKENS, Masking.OFF, MassRule.OWNER),
        (FeatureMap.TOKENS, Masking.REQUIRED, MassRule.TOKENS),
    ],
)
def test_histograms_are_summed_as_they_are_where_their_sum_is_all_that_may_be_seen(
    features: FeatureMap, masking: Masking, mass: MassRule
) -> None:
    assert founded(Wishes(features=features, masking=masking)).mass is mass


def test_masking_cannot_be_switched_off_later() -> None:
    with pytest.raises(ManifestIsFixed, match="--masking off differs from required"):
        Wishes(masking=Masking.OFF).check_against(founded(Wishes()))


def test_a_cohort_of_two_hides_nobody() -> None:
    with pytest.raises(ManifestError, match="at least 3"):
        founded(Wishes(min_cohort=2))


def test_a_manifest_with_masking_comes_back() -> None:
    manifest = founded(Wishes(min_cohort=5))
    assert Manifest.from_json(manifest.to_json()) == manifest
