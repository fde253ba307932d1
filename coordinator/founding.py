"""The first start of a coordinator: manifest, authority, ledger; and every later one: the same again, or a refusal."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ridgeway.coordinator.database import Database
from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.leading import has_ledger
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.restoration import settle
from ridgeway.crypto.authority import MEMBER_LIFETIME, CertificateAuthority
from ridgeway.embedder import EmbedderFingerprint
from ridgeway.errors import RidgewayError
from ridgeway.manifest import (
    FRACTION_BITS,
    MIN_COHORT,
    POOLED_SOLVER,
    Coordination,
    DecisionRule,
    FeatureMap,
    Manifest,
    ManifestError,
    Masking,
    MassRule,
    PooledSettings,
    PrivacySettings,
    RoutingSettings,
    SolverSettings,
)
from ridgeway.privacy.agreement import agree
from ridgeway.runtime.data_dir import DataDirectory

AUTHORITY_CERTIFICATE = "authority.pem"
AUTHORITY_KEY = "authority.key"
_MANIFEST = "manifest"
_AUTHORITY_SHA256 = "authority_sha256"
_AUTO = "auto"


class NotFounded(RidgewayError):
    """A data directory in which no federation was founded yet."""


class ReplicaWithoutAuthority(RidgewayError):
    """A replica that could not speak for its federation."""


class ManifestIsFixed(RidgewayError):
    """A setting that differs from what the federation agreed on."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator asks of the manifest; None leaves it to the default, or to what was agreed."""

    embedder: EmbedderFingerprint | None = None
    mass: MassRule | None = None
    ridge: float | str | None = None
    prior_correction: bool | None = None
    top_k: int | str | None = None
    rule: str | None = None
    features: FeatureMap | None = None
    columns: int | None = None
    masking: Masking | None = None
    min_cohort: int | None = None
    privacy: tuple[float, float] | None = None
    privacy_contributions: int | None = None

    def manifest(
        self,
        federation_id: str,
        embedder: EmbedderFingerprint,
        coordination: Coordination = Coordination.COORDINATOR,
    ) -> Manifest:
        """The manifest of a new federation.

        Raises:
            ManifestError, PrivacyError: the wishes do not fit together.
        """
        features, masking = self.features or FeatureMap.POOLED, self.masking or Masking.REQUIRED
        privacy = self._privacy()
        mass = self.mass or (_default_mass(features, masking) if privacy is None else MassRule.TOKENS)
        columns = self.columns if self.columns is not None or privacy is None else 0
        solver = POOLED_SOLVER if features is FeatureMap.POOLED else SolverSettings()
        pooled = PooledSettings()
        return Manifest(
            federation_id=federation_id,
            embedder=embedder,
            feature_map=features,
            pooled=PooledSettings(pooled.columns if columns is None else columns, pooled.seed),
            fraction_bits=FRACTION_BITS[mass],
            mass=mass,
            masking=masking,
            min_cohort=self.min_cohort or MIN_COHORT,
            solver=replace(
                solver,
                ridge=solver.ridge if self.ridge is None else _ridge(self.ridge),
                pseudo_rows=solver.pseudo_rows if self.ridge is None else None,
                prior_correction=solver.prior_correction if self.prior_correction is None else self.prior_correction,
            ),
            routing=self._routing(),
            privacy=privacy,
            coordination=coordination,
        )

    def _privacy(self) -> PrivacySettings | None:
        if self.privacy is None:
            if self.privacy_contributions is not None:
                raise ManifestError("--dp-contributions says what a budget is for; give the budget with --dp")
            return None
        if self.ridge is not None:
            raise ManifestError("with --dp the ridge follows from the noise; leave --ridge out")
        return agree(*self.privacy, self.privacy_contributions or 1)

    def _routing(self) -> RoutingSettings:
        default = RoutingSettings()
        return RoutingSettings(
            rule=DecisionRule(self.rule) if self.rule and self.rule != _AUTO else default.rule,
            top_k=int(self.top_k) if self.top_k and self.top_k != _AUTO else default.top_k,
            auto_rule=self.rule == _AUTO,
            auto_top_k=self.top_k == _AUTO,
        )

    def check_against(self, manifest: Manifest) -> None:
        """Every wish must be what was agreed.

        Raises:
            ManifestIsFixed: one is not.
        """
        privacy = manifest.privacy
        agreed = {
            "--mass": (self.mass, manifest.mass),
            "--ridge": (None if self.ridge is None else _ridge(self.ridge) or _AUTO, _agreed_ridge(manifest.solver)),
            "--prior-correction": (self.prior_correction, manifest.solver.prior_correction),
            "--top-k": (self.top_k, _AUTO if manifest.routing.auto_top_k else manifest.routing.top_k),
            "--rule": (self.rule, _AUTO if manifest.routing.auto_rule else manifest.routing.rule),
            "--features": (self.features, manifest.feature_map),
            "--masking": (self.masking, manifest.masking),
            "--min-cohort": (self.min_cohort, manifest.min_cohort),
            "--columns": (self.columns, manifest.pooled.columns),
            "--dp": (_budget(self.privacy), _budget((privacy.epsilon, privacy.delta) if privacy else None) or "none"),
            "--dp-contributions": (self.privacy_contributions, privacy and privacy.contributions),
        }
        for option, (wish, fact) in agreed.items():
            if wish is not None and wish != fact:
                raise ManifestIsFixed(
                    f"{option} {wish} differs from {fact}, which this federation was founded with; leave it out,"
                    " or found another federation in another --data-dir"
                )
        if self.embedder is not None and not self.embedder.matches(manifest.embedder):
            raise ManifestIsFixed(
                f"this federation was founded with {manifest.embedder.describe()}, not {self.embedder.describe()}; "
                "leave --embedder out, or found another federation in another --data-dir"
            )


@dataclass(frozen=True, slots=True)
class Founded:
    """A federation that is open, its authority, and the thread that may touch it."""

    federation: Federation
    authority: CertificateAuthority = field(repr=False)
    certificate_lifetime: timedelta = MEMBER_LIFETIME
    exclusive: Exclusive = field(default_factory=Exclusive)


def _default_mass(features: FeatureMap, masking: Masking) -> MassRule:
    """Mass 1, except where it would undo the masking: of sums of histograms, each divided by its own number of rows,
    the histograms can be told apart again (measured in docs/threat-model.md)."""
    counted = features is FeatureMap.TOKENS and masking is Masking.REQUIRED
    return MassRule.TOKENS if counted else MassRule.OWNER


def is_founded(directory: DataDirectory) -> bool:
    """Whether the directory holds a federation: its authority, and a ledger or where that is."""
    return directory.read(AUTHORITY_CERTIFICATE) is not None and has_ledger(directory)


def open_federation(
    directory: DataDirectory,
    database: Database,
    wishes: Wishes,
    default_embedder: Callable[[], EmbedderFingerprint],
    now: datetime,
    certificate_lifetime: timedelta = MEMBER_LIFETIME,
) -> Founded:
    """Open the federation in a locked directory; found it if there is none.

    Args:
        directory: the coordinator's, locked.
        database: of its ledger, which nobody else writes to.
        wishes: see `Wishes`.
        default_embedder: asked only when a federation is founded without a wish for one.
        now: the time.
        certificate_lifetime: of members' certificates.

    Raises:
        ManifestIsFixed: a wish contradicts what was agreed.
        ReplicaWithoutAuthority: another replica founded the federation, and its authority is not here.
    """
    ledger = Ledger(database)
    manifest_json = ledger.setting(_MANIFEST)
    if manifest_json is not None:
        settle(directory, ledger)
    else:
        manifest = wishes.manifest(secrets.token_hex(16), wishes.embedder or default_embedder())
        manifest_json = _found(directory, ledger, manifest, now)
    manifest = Manifest.from_json(manifest_json)
    wishes.check_against(manifest)
    authority = CertificateAuthority.from_pem(*_authority(directory, ledger), manifest.federation_id)
    return Founded(Federation(directory, manifest, ledger), authority, certificate_lifetime)


def check_replica(directory: DataDirectory, ledger: Ledger) -> None:
    """A replica that stands by must be able to take over.

    Raises:
        ReplicaWithoutAuthority: it is not.
    """
    if ledger.setting(_MANIFEST) is not None:
        _authority(directory, ledger)


def _authority(directory: DataDirectory, ledger: Ledger) -> tuple[bytes, bytes]:
    """Certificate and key, which must be those that the federation was founded with."""
    certificate, key = directory.read(AUTHORITY_CERTIFICATE), directory.read(AUTHORITY_KEY)
    agreed = ledger.setting(_AUTHORITY_SHA256)
    if certificate is None or key is None or agreed not in {None, hashlib.sha256(certificate).digest()}:
        raise ReplicaWithoutAuthority(
            f"another replica founded this federation; copy its {AUTHORITY_KEY} and {AUTHORITY_CERTIFICATE} into"
            f" {directory.path}, over a channel that nobody reads, and start again"
        )
    return certificate, key


def _found(directory: DataDirectory, ledger: Ledger, manifest: Manifest, now: datetime) -> bytes:
    """The authority is written first, the manifest last: a federation exists once it has a manifest."""
    authority = CertificateAuthority.create(manifest.federation_id, now)
    directory.write(AUTHORITY_KEY, authority.private_key_pem())
    directory.write(AUTHORITY_CERTIFICATE, authority.certificate_pem)
    manifest_json = manifest.to_json()
    fingerprint = hashlib.sha256(authority.certificate_pem).digest()
    ledger.found({_MANIFEST: manifest_json, _AUTHORITY_SHA256: fingerprint, "revision": b"0"})
    return manifest_json


def _budget(privacy: tuple[float, float] | None) -> str | None:
    return None if privacy is None else f"{privacy[0]:g},{privacy[1]:g}"


def _agreed_ridge(solver: SolverSettings) -> float | str:
    return f"{solver.pseudo_rows} pseudo-rows" if solver.pseudo_rows is not None else solver.ridge or _AUTO


def _ridge(wish: float | str) -> float | None:
    return None if wish == _AUTO else float(wish)
