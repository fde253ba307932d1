"""A node's side of one round: fresh keys, shared secrets, a masked vector, an agreement, and one kind of share each.

Every step checks what came against everything before it, and anything that does not fit ends the round for this node:
its secrets are forgotten, so that no later message can use them. They live in memory only; a node that restarts has
nothing left to reveal.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from ridgeway.crypto.identity import BadSignature, IdentityKey, verify
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.secagg.advertisements import sign
from ridgeway.secagg.cohort import CohortView, Roster, checked_cohort
from ridgeway.secagg.masks import Mask
from ridgeway.secagg.positions import from_bitmap
from ridgeway.secagg.sealing import UnopenedBox, pair_mask, public_key, seal, self_mask, unseal
from ridgeway.secagg.shamir import SHARE_BYTES, shares_of
from ridgeway.secagg.terms import AGREEMENT_SIGNATURE, ROUND_VERSION, agreement_body, seed_commitment, terms_digest

# Two X25519 keys, the self-mask's seed, and what draws the two polynomials.
ENTROPY_BYTES = 5 * 32

P = ParamSpec("P")
T = TypeVar("T")


class OutOfPhase(RidgewayError):
    """A message that does not come next."""


class TooFewLeft(RidgewayError):
    """Fewer of our neighbours take part than can open a secret, or than hide us."""


class TellingDifference(RidgewayError):
    """Survivors so like those of an opened round that the difference of both sums would give somebody away."""


class NoAgreement(RidgewayError):
    """Too few neighbours have signed the list of survivors that we signed."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a node knows alone in one round."""

    mask_key: bytes = field(repr=False)
    sealing_key: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    key_entropy: bytes = field(repr=False)
    seed_entropy: bytes = field(repr=False)

    @classmethod
    def drawn(cls, entropy: bytes) -> "Secrets":
        """From `ENTROPY_BYTES` fresh random bytes."""
        if len(entropy) != ENTROPY_BYTES:
            raise ValueError(f"a round needs {ENTROPY_BYTES} random bytes")
        return cls(*(entropy[start : start + 32] for start in range(0, ENTROPY_BYTES, 32)))


@dataclass(frozen=True, slots=True)
class Advertised:
    """Our keys are out."""

    secrets: Secrets
    own: m.Advertisement


@dataclass(frozen=True, slots=True)
class Shared:
    """Our shares are out, sealed; ours of our own secrets stay here."""

    secrets: Secrets
    view: CohortView
    held: dict[int, tuple[bytes, bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Masked:
    """We know who shared, and hold shares of theirs: of the seed and of the key, by position."""

    view: CohortView
    sharers: frozenset[int]
    sharers_bitmap: bytes
    held: dict[int, tuple[bytes, bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Agreed:
    """We have signed one list of survivors, and will sign no other."""

    view: CohortView
    sharers: frozenset[int]
    survivors: frozenset[int]
    body: bytes
    held: dict[int, tuple[bytes, bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """We have revealed, or refused; no secret is left."""


Phase = Advertised | Shared | Masked | Agreed | Finished


def _final_refusal(
    step: Callable[Concatenate["Participant", P], T],
) -> Callable[Concatenate["Participant", P], T]:
    """A step that is refused ends the round for this node."""

    @wraps(step)
    def guarded(self: "Participant", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return step(self, *args, **kwargs)
        except RidgewayError:
            self.phase = Finished()
            raise

    return guarded


class Participant:
    """One node in one round.

    Args:
        identity: signs what we send.
        terms: of the round; the caller has checked that it wants such a round.
        advertised: what we bring; version, terms and keys are filled in.
        min_cohort: the manifest's.
        roster: whom we believe.
        entropy: `ENTROPY_BYTES` fresh random bytes.
        exposed: the survivors of a round with the same vector of ours that may have been opened, if there is one.
        excused: those of them who alone can know that round's sum, so that no difference from it tells of them.
        idle: those of them whose vectors were zero, so that they hide nobody.

    Attributes:
        phase: how far we are.
        advertisement: our first message.
    """

    def __init__(
        self,
        identity: IdentityKey,
        terms: m.RoundTerms,
        involvement: "Involvement",
        min_cohort: int,
        roster: Roster,
        entropy: bytes,
        exposed: Set[str] = frozenset(),
        excused: Set[str] = frozenset(),
        idle: Set[str] = frozenset(),
    ) -> None:
        self._identity = identity
        self._terms = terms
        self._min_cohort = min_cohort
        self._roster = roster
        self._exposed = exposed
        self._excused = excused
        self._exposed_idle = idle
        secrets = Secrets.drawn(entropy)
        body = m.AdvertisementBody(
            format_version=ROUND_VERSION,
            terms_digest=terms_digest(terms),
            owner=involvement.owner,
            mask_key=public_key(secrets.mask_key),
            sealing_key=public_key(secrets.sealing_key),
            seed_commitment=seed_commitment(secrets.seed),
            changed=involvement.changed,
            domains=involvement.domains,
            remaining=involvement.remaining,
            generation=involvement.generation,
            issuer=involvement.issuer,
        )
        self.advertisement = sign(identity, body)
        self.phase: Phase = Advertised(secrets, self.advertisement)

    @_final_refusal
    def share(self, cohort: m.Cohort) -> m.SealedShares:
        """Check the cohort and seal shares of our secrets for our neighbours.

        Raises:
            OutOfPhase: we are past it.
            RidgewayError: every kind of `checked_cohort`.
        """
        phase = self._require(Advertised)
        view = checked_cohort(self._terms, cohort, phase.own, self._roster, self._min_cohort)
        points = [position + 1 for position in sorted(view.holders)]
        secrets, threshold = phase.secrets, view.plan.threshold
        seeds = shares_of(secrets.seed, secrets.seed_entropy, threshold, points)
        keys = shares_of(secrets.mask_key, secrets.key_entropy, threshold, points)
        shares = dict(zip(sorted(view.holders), zip(seeds, keys, strict=True), strict=True))
        mine = view.me.position
        sealed = tuple(
            m.SealedShare(
                position,
                seal(
                    secrets.sealing_key,
                    view.neighbours[position].advertised.sealing_key,
                    view.digest,
                    mine,
                    position,
                    b"".join(shares[position]),
                ),
            )
            for position in sorted(view.neighbours)
        )
        self.phase = Shared(secrets, view, {mine: shares[mine]})
        return m.SealedShares(sealed)

    @_final_refusal
    def masks(self, delivery: m.ShareDelivery) -> tuple[CohortView, tuple[Mask, ...]]:
        """Open the shares that came, and give the masks that our vector must wear before it leaves.

        Raises:
            OutOfPhase: we are not there yet, or past it.
            TooFewLeft: too few neighbours have shared.
            BadBitmap: a list that fits no cohort.
        """
        phase = self._require(Shared)
        view, mine = phase.view, phase.view.me.position
        sharers = from_bitmap(delivery.sharers, view.size)
        self._require_threshold(view, sharers)
        view.require_cover(sharers, self._min_cohort)
        held = dict(phase.held)
        for share in delivery.shares:
            if share.position in view.neighbours and share.position in sharers:
                opened = _opened(phase, share)
                if opened is not None:
                    held[share.position] = opened
        masks = [self_mask(phase.secrets.seed, view.digest, mine)]
        masks += [
            pair_mask(phase.secrets.mask_key, view.neighbours[other].advertised.mask_key, view.digest, mine, other)
            for other in sorted(sharers & view.neighbours.keys())
        ]
        self.phase = Masked(view, sharers, delivery.sharers, held)
        return view, tuple(masks)

    @_final_refusal
    def agree(self, survivors: m.Survivors) -> m.Agreement:
        """Sign the list of those whose input is in the sum: once.

        Raises:
            OutOfPhase: we have not sent our vector, or have signed a list already.
            TooFewLeft, CohortTooSmall: the sum of so few would give somebody away, or could not be opened.
            TellingDifference: together with an earlier sum that may have been opened it would.
            BadBitmap: a list that fits no cohort.
        """
        phase = self._require(Masked)
        view = phase.view
        listed = from_bitmap(survivors.survivors, view.size)
        if view.me.position not in listed or not listed <= phase.sharers:
            raise TooFewLeft(
                "the list of survivors leaves us out, or names somebody who shared nothing; we do not sign"
            )
        self._require_threshold(view, listed)
        view.require_cover(listed, self._min_cohort)
        self._require_no_telling_difference(view.owners(listed), self._idle(view, listed))
        body = agreement_body(view.digest, phase.sharers_bitmap, survivors.survivors)
        self.phase = Agreed(view, phase.sharers, listed, body, phase.held)
        return m.Agreement(view.me.position, self._identity.sign(AGREEMENT_SIGNATURE, body))

    @property
    def view(self) -> CohortView | None:
        """The cohort, while we take part in it; None before it was shown to us, and after our part has ended."""
        return None if isinstance(self.phase, Advertised | Finished) else self.phase.view

    def withdraw(self) -> None:
        """Take no further part."""
        self.phase = Finished()

    @property
    def survivors(self) -> Set[str]:
        """The owners whose sum we have agreed to, as far as we see them; empty before that, or if we do not see all."""
        phase = self.phase
        if not isinstance(phase, Agreed) or len(phase.view.holders) < phase.view.size:
            return frozenset()
        return phase.view.owners(phase.survivors)

    @property
    def idle(self) -> Set[str]:
        """Those of `survivors` whose vectors are zero."""
        phase = self.phase
        if not isinstance(phase, Agreed) or len(phase.view.holders) < phase.view.size:
            return frozenset()
        return self._idle(phase.view, phase.survivors)

    @_final_refusal
    def reveal(self, agreements: m.Agreements) -> m.Revelation:
        """Reveal, of each owner whose shares we hold, the seed's if it survived and the key's if it did not.

        Raises:
            OutOfPhase: we have signed no list, or have revealed already.
            NoAgreement: fewer than a threshold of our neighbours signed the same list.
        """
        phase = self._require(Agreed)
        view = phase.view
        signed = {agreement.position for agreement in agreements.agreements if _agrees(phase, agreement)}
        if len(signed | {view.me.position}) < view.plan.threshold:
            raise NoAgreement(
                f"{len(signed)} neighbours signed our list of survivors, with us {view.plan.threshold} must; "
                "others may have been shown another list, so we reveal nothing"
            )
        self.phase = Finished()
        return m.Revelation(
            seed_shares=_shares(phase, phase.survivors, kind=0),
            key_shares=_shares(phase, phase.sharers - phase.survivors, kind=1),
        )

    def _idle(self, view: CohortView, positions: Set[int]) -> Set[str]:
        """The owners at these positions whose vectors are zero, as far as we see them; a full round takes all."""
        full = view.terms.kind is m.RoundKind.FULL
        members = [view.member(position).advertised for position in sorted(view.holders & positions)]
        return {body.owner for body in members if not (body.changed or (full and body.domains))}

    def _require_no_telling_difference(self, survivors: Set[str], idle: Set[str]) -> None:
        """What differs is what those bring who are in one of both sums only; who brings nothing hides nobody."""
        before = self._exposed - self._exposed_idle
        differing = ((survivors - idle) ^ before) - (self._excused - survivors)
        if self._exposed and 0 < len(differing) < self._min_cohort:
            raise TellingDifference(
                f"an earlier round with our vector may have been opened, and this one differs from it by "
                f"{', '.join(sorted(differing))} only; it has to be the same owners again, or {self._min_cohort} others"
            )

    def _require(self, kind: type[T]) -> T:
        if not isinstance(self.phase, kind):
            raise OutOfPhase(
                f"a message came that does not belong after {type(self.phase).__name__.lower()}; we stop here"
            )
        return self.phase

    def _require_threshold(self, view: CohortView, present: Set[int]) -> None:
        left = len(view.holders & present)
        if view.me.position not in present or left < view.plan.threshold:
            raise TooFewLeft(
                f"{left} of our neighbours and we are left, {view.plan.threshold} are needed; the round cannot go on"
            )


@dataclass(frozen=True, slots=True)
class Involvement:
    """What a node brings to a round: see `AdvertisementBody`."""

    owner: str
    changed: bool
    domains: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()
    generation: int = 0
    issuer: str = ""


def _opened(phase: Shared, share: m.SealedShare) -> tuple[bytes, bytes] | None:
    """Shares of the seed and of the key; None from a neighbour that sealed nonsense, whom others must help out for."""
    view, sender = phase.view, phase.view.neighbours[share.position]
    try:
        content = unseal(
            phase.secrets.sealing_key,
            sender.advertised.sealing_key,
            view.digest,
            share.position,
            view.me.position,
            share.box,
        )
    except UnopenedBox:
        return None
    return (content[:SHARE_BYTES], content[SHARE_BYTES:]) if len(content) == 2 * SHARE_BYTES else None


def _agrees(phase: Agreed, agreement: m.Agreement) -> bool:
    neighbour = phase.view.neighbours.get(agreement.position)
    if neighbour is None or agreement.position not in phase.survivors:
        return False
    try:
        verify(neighbour.identity_public_key, AGREEMENT_SIGNATURE, phase.body, agreement.signature)
    except BadSignature:
        return False
    return True


def _shares(phase: Agreed, whose: Set[int], kind: int) -> tuple[m.Share, ...]:
    return tuple(m.Share(position, phase.held[position][kind]) for position in sorted(whose & phase.held.keys()))
