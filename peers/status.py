"""What a peer sees of its federation, as messages, for `status`, `members` and whoever watches."""

from collections.abc import Iterator

from ridgeway.crypto.certificates import validity
from ridgeway.peers.administering import Administration
from ridgeway.peers.engine import Engine
from ridgeway.peers.summing import Solved
from ridgeway.proto import messages as m
from ridgeway.roster.charter import Charter
from ridgeway.roster.standing import Member, Roster


def gossip_status(
    engine: Engine, solved: Solved | None, administration: Administration, address: str
) -> m.GossipStatus:
    """Gossip as this peer sees it."""
    machine = engine.machine
    current = solved if solved is not None and solved.root == machine.root else None
    return m.GossipStatus(
        root=machine.root,
        records=len(machine.entries()),
        pending=len(machine.pending()),
        sum_digest=current.sum_digest if current else b"",
        weights_digest=current.weights_digest if current else b"",
        peers=tuple(_peers(engine, current)),
        refused=engine.news.refused,
        administrator=administration.is_administrator,
        authority=administration.is_founder,
        faults=tuple(engine.news.faults),
        address=address,
        coordinator=engine.charter.manifest.dialled_first,
    )


def _peers(engine: Engine, current: Solved | None) -> list[m.PeerStatus]:
    peers = []
    for view in engine.machine.peers():
        heard, member = engine.news.heard.get(view.peer), engine.roster.member(view.peer)
        if member is None or not member.active:
            continue
        same_records = heard is not None and heard.root == engine.machine.root
        differs = bool(
            current and heard and same_records and heard.sum_digest
            and (heard.sum_digest, heard.weights_digest) != (current.sum_digest, current.weights_digest)
        )  # fmt: skip
        peers.append(
            m.PeerStatus(
                owner=view.peer,
                state=view.state,
                linked=view.linked,
                incarnation=view.incarnation,
                in_step=same_records,
                last_exchange_unix_ms=heard.unix_ms if heard else 0,
                sum_digest=heard.sum_digest if heard else b"",
                weights_digest=heard.weights_digest if heard else b"",
                differs=differs,
                offences=view.offences,
                address=member.profile.address if member.profile else "",
            )
        )
    return peers


def federation_status(
    charter: Charter,
    roster: Roster,
    solved: Solved | None,
    alive: set[str],
    invited: list[tuple[str, int]],
    rounds: m.RoundStatus | None = None,
) -> m.FederationStatus:
    """The federation as this peer's records say.

    Args:
        charter: the federation's.
        roster: what the records mean.
        solved: the newest sum; None if no daemon runs.
        alive: the members that are believed to be alive.
        invited: owners that were invited from here, and for which generation.
        rounds: what this node knows of those; None without masking.
    """
    router = solved.router if solved else None
    members = {name: _member(member, roster, name in alive) for name, member in roster.members.items()}
    for owner, generation in invited:
        present = roster.member(owner)
        if present is None or present.generation < generation:
            members.setdefault(owner, m.MemberStatus(owner, m.MemberState.INVITED))
    return m.FederationStatus(
        federation_id=charter.federation_id,
        manifest_json=charter.manifest.to_json(),
        router_version=router.version if router else 0,
        sum_digest=solved.sum_digest if solved else b"",
        ridge=router.ridge if router else 0.0,
        members=tuple(status for _, status in sorted(members.items())),
        domains=_domains(roster, solved),
        rounds=rounds,
        router_sum_digest=router.sum_digest if router else b"",
    )


def _member(member: Member, roster: Roster, alive: bool) -> m.MemberStatus:
    certificate = member.certificate
    return m.MemberStatus(
        owner=member.owner,
        state=member.state,
        connected=alive and member.active,
        since_unix_ms=member.since_unix_ms,
        certificate_expires_unix_ms=_end_ms(certificate.certificate_chain_pem) if certificate else 0,
        contributions=tuple(_contributions(member, roster)),
    )


def _contributions(member: Member, roster: Roster) -> Iterator[m.CommittedContribution]:
    """What the sum holds of a member. Of a masked part only the domains are known, and the round as its number."""
    for _, held in sorted(roster.counted_of(member.owner).items()):
        yield m.CommittedContribution(held.domain, held.sequence, held.rows, held.payload_digest)
    place = roster.rounds.places.get(member.key)
    for domain in place.domains if place else ():
        yield m.CommittedContribution(domain, place.number if place else 0)


def _end_ms(chain_pem: bytes) -> int:
    return int(validity(chain_pem)[1].timestamp() * 1000)


def _domains(roster: Roster, solved: Solved | None) -> tuple[m.DomainStatus, ...]:
    owners: dict[str, list[str]] = {}
    rows: dict[str, int] = dict(solved.domains) if solved is not None and roster.rounds.counted else {}
    for key, place in sorted(roster.rounds.places.items(), key=lambda item: item[0].owner):
        for domain in place.domains:
            owners.setdefault(domain, []).append(key.owner)
    for (owner, domain), held in roster.counted.items():
        owners.setdefault(domain, []).append(owner)
        rows[domain] = rows.get(domain, 0) + held.rows
    experts = roster.experts
    return tuple(
        m.DomainStatus(
            domain,
            rows.get(domain, 0),
            tuple(dict.fromkeys(owners[domain])),
            tuple(e for e in experts if e.domain == domain),
        )
        for domain in sorted(owners)
    )
