"""Known answers: published vectors of every primitive a round uses, and what two nodes derive from them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ridgeway.secagg.masks import Mask, Masking
from ridgeway.secagg.sealing import (
    BadKey,
    UnopenedBox,
    _derive,
    _shared,
    pair_mask,
    public_key,
    seal,
    self_mask,
    unseal,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "secure_aggregation.json").read_text(encoding="utf-8")
)
KEYS = VECTORS["round_keys"]
COHORT, LOW, HIGH = bytes.fromhex(KEYS["cohort"]), KEYS["low"], KEYS["high"]
ALICE, BOB = (bytes.fromhex(key) for key in VECTORS["key_agreement"]["private"])
ALICE_PUBLIC, BOB_PUBLIC = (bytes.fromhex(key) for key in VECTORS["key_agreement"]["public"])


def test_key_agreement() -> None:
    shared = bytes.fromhex(VECTORS["key_agreement"]["shared"])
    assert (public_key(ALICE), public_key(BOB)) == (ALICE_PUBLIC, BOB_PUBLIC)
    assert _shared(ALICE, BOB_PUBLIC) == _shared(BOB, ALICE_PUBLIC) == shared


@pytest.mark.parametrize("public", VECTORS["bad_public_keys"]["public"])
def test_public_keys_of_small_order_are_refused(public: str) -> None:
    with pytest.raises(BadKey, match="gives no secret"):
        pair_mask(ALICE, bytes.fromhex(public), COHORT, LOW, HIGH)
    with pytest.raises(BadKey, match="gives no secret"):
        seal(ALICE, bytes.fromhex(public), COHORT, LOW, HIGH, b"share")


def test_key_derivation() -> None:
    case = VECTORS["derivation"]
    assert _derive(bytes.fromhex(case["secret"]), bytes.fromhex(case["info"])).hex() == case["key"]


def test_the_mask_generator_is_aes_256_in_counter_mode() -> None:
    case = VECTORS["keystream"]
    plain, cipher = (np.frombuffer(bytes.fromhex(case[name]), dtype="<u8") for name in ("plaintext", "ciphertext"))
    numbers = np.zeros(plain.size, dtype=np.int64)
    # A count of the counter makes two numbers, so twice the published one is the number to begin with.
    Masking([Mask(bytes.fromhex(case["key"]))], start=2 * int(case["counter"], 16)).add_to(numbers)
    np.testing.assert_array_equal(numbers.view("<u8"), plain ^ cipher)


def test_masks_of_a_pair_and_of_oneself() -> None:
    ours, theirs = (
        pair_mask(ALICE, BOB_PUBLIC, COHORT, LOW, HIGH),
        pair_mask(BOB, ALICE_PUBLIC, COHORT, HIGH, LOW),
    )
    assert (ours.key.hex(), ours.negative) == (KEYS["pair"], False)
    assert theirs == ours.inverse()
    assert self_mask(bytes.fromhex(KEYS["seed"]), COHORT, LOW).key.hex() == KEYS["self"]


def test_sealed_shares() -> None:
    content, box = (bytes.fromhex(VECTORS["sealed_share"][name]) for name in ("content", "box"))
    assert seal(ALICE, BOB_PUBLIC, COHORT, LOW, HIGH, content) == box
    assert unseal(BOB, ALICE_PUBLIC, COHORT, LOW, HIGH, box) == content


@pytest.mark.parametrize("box", VECTORS["bad_sealed_shares"]["box"])
def test_boxes_that_were_changed_or_made_up(box: str) -> None:
    with pytest.raises(UnopenedBox):
        unseal(BOB, ALICE_PUBLIC, COHORT, LOW, HIGH, bytes.fromhex(box))


@pytest.mark.parametrize(
    ("cohort", "sender", "recipient"),
    [(bytes(32), LOW, HIGH), (COHORT, HIGH, LOW), (COHORT, LOW, HIGH + 1), (COHORT, LOW + 1, HIGH)],
)
def test_a_box_of_another_round_or_between_others(cohort: bytes, sender: int, recipient: int) -> None:
    with pytest.raises(UnopenedBox):
        unseal(BOB, ALICE_PUBLIC, cohort, sender, recipient, bytes.fromhex(VECTORS["sealed_share"]["box"]))
