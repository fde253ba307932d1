"""A federation that can lose its coordinator: what is agreed, how it is founded, what is refused and what is said."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from light_client import fingerprint

from ridgeway.cli.main import ridgeway
from ridgeway.cli.peer_view import coordinator_lost
from ridgeway.manifest import COORDINATOR, Coordination, Manifest, ManifestError, Masking
from ridgeway.peers.administration_service import doors
from ridgeway.proto import messages as m
from ridgeway.roster.standing import Member, Roster

MIXED = Manifest("f" * 32, fingerprint(9), masking=Masking.OFF, coordination=Coordination.MIXED)


def test_the_manifest_says_so_in_a_version_of_its_own() -> None:
    document = json.loads(MIXED.to_json())
    assert (document["manifest"], document["coordination"]) == (5, "mixed")
    assert Manifest.from_json(MIXED.to_json()) == MIXED
    assert MIXED.dialled_first == COORDINATOR
    for other in (Coordination.PEERS, Coordination.COORDINATOR):
        assert replace(MIXED, coordination=other).dialled_first == ""
        assert replace(MIXED, coordination=other).digest() != MIXED.digest()


def test_a_manifest_of_the_future_is_refused() -> None:
    document = json.loads(MIXED.to_json()) | {"manifest": 6}
    with pytest.raises(ManifestError, match="version 6"):
        Manifest.from_json(json.dumps(document).encode())


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(ridgeway, ["coordinator", *arguments])
    assert result.exit_code != 0
    return f"{result.output} {result.exception or ''}"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--ledger", "postgresql://localhost/x"), "--ledger is for a coordinator with --if-lost wait"),
        (("--certificate-lifetime", "1h"), "--certificate-lifetime is for a coordinator with --if-lost wait"),
        (("--listen", "127.0.0.1:0"), "peers need a port"),
        (("--listen", "0.0.0.0:7443"), "--advertise"),
    ],
)
def test_what_only_other_coordinators_have_is_refused_before_anything_is_founded(
    tmp_path: Path, asked: tuple[str, str], said: str
) -> None:
    where = ("--data-dir", str(tmp_path / "new"), "--if-lost", "gossip", "--masking", "off")
    assert said in refused(*where, *asked)
    assert not (tmp_path / "new").exists()


def test_a_federation_of_peers_has_no_coordinator_to_run(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    founded = CliRunner().invoke(ridgeway, ["federation", "create", "--masking", "off", "--columns", "0", *where])
    assert founded.exit_code == 0, founded.output
    assert "run `ridgeway node` there" in refused(*where)


class Reachable(Roster):
    """Everybody is a member whose node can be dialled."""

    def member(self, owner: str) -> Member:
        profile = m.ProfileBody(owner=owner, enrolment_address=f"{owner}:2")
        return Member(owner, 1, "", b"", m.MemberState.ACTIVE, 0, False, profile, None)


def test_the_coordinator_is_named_first_in_invitations_of_others() -> None:
    ways = doors(Reachable(), "bob", {"ann", "bob", COORDINATOR, "dan"}, "bob:2", COORDINATOR)
    assert [way.owner for way in ways] == ["bob", COORDINATOR, "ann", "dan"]


def test_that_it_is_lost_is_said_only_when_it_is() -> None:
    def seen(state: m.PeerState) -> str:
        peers = (m.PeerStatus("ann", m.PeerState.DEAD), m.PeerStatus(COORDINATOR, state))
        return coordinator_lost(m.GossipStatus(peers=peers, coordinator=COORDINATOR))

    assert seen(m.PeerState.ALIVE) == ""
    assert "the coordinator is dead, last heard -; gossip goes on without it" in seen(m.PeerState.DEAD)
    assert coordinator_lost(m.GossipStatus(peers=(m.PeerStatus("ann", m.PeerState.DEAD),))) == ""
