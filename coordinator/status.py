"""The federation's state as messages, for `status`, `members` and whoever watches."""

from collections.abc import Mapping

from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.publication import Published
from ridgeway.proto import messages as m
from ridgeway.trial import Verdict

Held = dict[str, tuple[m.CommittedContribution, ...]]


def federation_status(
    federation: Federation, published: Published | None, feeds: Mapping[str, int], sent: Mapping[str, int]
) -> m.FederationStatus:
    """Everything the coordinator may tell; runs where the federation may be touched."""
    held = _held(federation)
    return m.FederationStatus(
        federation_id=federation.manifest.federation_id,
        manifest_json=federation.manifest.to_json(),
        router_version=published.router.version if published else 0,
        sum_digest=federation.sum_digest,
        ridge=published.router.ridge if published else 0.0,
        members=_members(federation, held, feeds, sent),
        domains=_domains(federation, held),
        published_unix_ms=published.published_unix_ms if published else 0,
        router_sum_digest=published.router.sum_digest if published else b"",
        router_edition=published.router.edition if published else 0,
        trials=tuple(_trial(version, verdict) for version, verdict in federation.trials.newest()),
    )


def _held(federation: Federation) -> Held:
    """What the sum holds of each owner. Of a masked part only the domains are known, and the round as its number."""
    held: Held = {
        owner: tuple(
            m.CommittedContribution(domain, place.number, committed_unix_ms=place.committed_unix_ms)
            for domain in place.domains
        )
        for owner, place in federation.ledger.places().items()
    }
    for entry in federation.ledger.entries():
        if entry.payload_digest is not None:
            held[entry.owner] = (
                *held.get(entry.owner, ()),
                m.CommittedContribution(
                    entry.domain, entry.sequence, entry.rows, entry.payload_digest, entry.committed_unix_ms
                ),
            )
    return held


def _trial(version: int, verdict: Verdict) -> m.RouterTrial:
    return m.RouterTrial(
        router_version=version,
        prompts=verdict.prompts,
        balanced_accuracy=verdict.balanced_accuracy,
        inverse_temperature=verdict.calibration.inverse_temperature,
        calibration_error=verdict.calibration.expected_error,
        rule=verdict.routing.rule,
        top_k=verdict.routing.top_k,
        domains=verdict.domains,
        confusion=tuple(verdict.confusion.ravel().tolist()),
    )


def _members(
    federation: Federation, held: Held, feeds: Mapping[str, int], sent: Mapping[str, int]
) -> tuple[m.MemberStatus, ...]:
    membership = federation.membership
    enrolled = {
        owner: m.MemberStatus(
            owner=owner,
            state=member.state,
            connected=feeds.get(owner, 0) > 0,
            router_version=sent.get(owner, 0),
            since_unix_ms=member.since_unix_ms,
            certificate_expires_unix_ms=membership.certificate_end_ms(owner),
            contributions=held.get(owner, ()),
        )
        for owner, member in membership.members.items()
    }
    invited = {
        invitation.owner: m.MemberStatus(owner=invitation.owner, state=m.MemberState.INVITED)
        for invitation in federation.ledger.invitations()
        if invitation.used_by is None and invitation.owner not in enrolled
    }
    return tuple(status for _, status in sorted((enrolled | invited).items()))


def _domains(federation: Federation, held: Held) -> tuple[m.DomainStatus, ...]:
    experts = federation.ledger.experts()
    return tuple(
        m.DomainStatus(
            domain=domain,
            rows=rows,
            owners=tuple(owner for owner, parts in held.items() if domain in {part.domain for part in parts}),
            experts=tuple(e for e in experts if e.domain == domain),
        )
        for domain, rows in zip(federation.sum.domains, federation.sum.rows, strict=True)
    )
