"""Who may call: a member that is active, with a certificate that the ledger names and that has not ended."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ridgeway.coordinator.ledger import Member
from ridgeway.coordinator.membership import Membership, NotAMember
from ridgeway.crypto.certificates import PeerCertificate
from ridgeway.proto.messages import MemberState

MEMBER = Member("alpha", MemberState.ACTIVE, bytes(32), 0, None)
CERTIFICATE = PeerCertificate("alpha", "f" * 32, 7, datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


def membership(state: MemberState = MemberState.ACTIVE) -> Membership:
    return Membership("f" * 32, {"alpha": replace(MEMBER, state=state)}, {("alpha", 7): 1000})


def test_an_active_member_with_its_certificate_may_call() -> None:
    assert membership().require(CERTIFICATE, 999).owner == "alpha"


@pytest.mark.parametrize("state", [MemberState.LEFT, MemberState.REVOKED, MemberState.EVICTED])
def test_whoever_is_no_member_any_more_may_not(state: MemberState) -> None:
    with pytest.raises(NotAMember, match="new invitation"):
        membership(state).require(CERTIFICATE, 999)


@pytest.mark.parametrize(("serial", "now_ms"), [(8, 999), (7, 1000), (7, 1001)])
def test_a_certificate_that_was_replaced_or_has_ended_counts_no_more(serial: int, now_ms: int) -> None:
    with pytest.raises(NotAMember, match="replaced or has expired"):
        membership().require(replace(CERTIFICATE, serial=serial), now_ms)


def test_another_federation_s_certificate_does_not_count() -> None:
    with pytest.raises(NotAMember, match="another federation"):
        membership().require(replace(CERTIFICATE, federation_id="e" * 32), 999)
