"""The manifest: what every member of a federation must agree on, and its digest.

A contribution, a router and a round name the manifest by this digest, so a member with other settings is told so
instead of adding numbers that mean something else.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import orjson

from ridgeway.embedder import EmbedderFingerprint
from ridgeway.errors import RidgewayError
from ridgeway.layout import Layout

# A manifest with differential privacy has the second version, so that a release that knows nothing of it refuses.
MANIFEST_VERSION = 2
PRIVATE_MANIFEST_VERSION = 3
# Likewise one of a federation without a coordinator, and one that outlives its coordinator.
PEERS_MANIFEST_VERSION = 4
MIXED_MANIFEST_VERSION = 5
# The member that is the coordinator of a mixed federation: its founder.
COORDINATOR = "coordinator"
_LABEL = b"ridgeway/v1/manifest"


class ManifestError(RidgewayError):
    """A setting of the manifest is outside what Ridgeway can compute with."""


class FeatureMap(StrEnum):
    """How prompts become rows of X (DESIGN section 2)."""

    TOKENS = "tokens"
    POOLED = "pooled"


class MassRule(StrEnum):
    """The total weight of one contribution: 1 for each owner and domain, or its number of rows (the paper)."""

    OWNER = "owner"
    TOKENS = "tokens"


class Masking(StrEnum):
    """Whether contributions travel masked by secure aggregation: always, or never."""

    REQUIRED = "required"
    OFF = "off"


class Coordination(StrEnum):
    """Who adds the contributions up: a coordinator, every peer by itself, or every peer with a coordinator among them,
    which is dialled first and which they can lose."""

    COORDINATOR = "coordinator"
    PEERS = "peers"
    MIXED = "mixed"


class DecisionRule(StrEnum):
    """How token scores become a decision: top_k votes of lowest entropy (the paper), or the sum of all scores."""

    VOTES = "votes"
    SCORES = "scores"


# A sum of two gives each of them the other; with three it takes two that collude.
MIN_COHORT = 3

_TOP_K_CANDIDATES = (3, 5, 10, 20, 40, 80)

# Signs that a federation may ask for beside an embedding; 8,192 columns make payloads of 300 MB.
COLUMNS_MAX = 8192

# Fewer fraction bits where a contribution's mass is its row count: 2^47 / 2^20 leaves room for 134 million rows of
# unit length, while 2^47 / 2^36 leaves room for |e|^2 up to 2048 at mass 1.
FRACTION_BITS = {MassRule.OWNER: 36, MassRule.TOKENS: 20}


@dataclass(frozen=True, slots=True)
class SolverSettings:
    """Defaults of the ridge solver.

    Attributes:
        ridge: the ridge added to the diagonal of A; None chooses it by generalised cross-validation.
        pseudo_rows: if given, the ridge is instead so many rows' share of the total mass, see `ridge.chosen_ridge`.
        normalise_columns: divide each column of W by the norm of its non-bias part.
        prior_correction: subtract from each column's bias its mean score over the domains' mean rows.
    """

    ridge: float | None = 0.01
    normalise_columns: bool = True
    prior_correction: bool = True
    pseudo_rows: float | None = None

    def __post_init__(self) -> None:
        if self.ridge is not None and not 0.0 < self.ridge < float("inf"):
            raise ManifestError(f"ridge must be a positive finite number or auto, not {self.ridge}; try 0.01")
        if self.pseudo_rows is not None and not 0.0 < self.pseudo_rows < float("inf"):
            raise ManifestError(f"pseudo_rows must be a positive finite number, not {self.pseudo_rows}; try 0.5")


# Measured on hold-outs of real prompts (docs/results.md): pooled rows have one length, so that half a row of ridge
# suits federations of any size, and columns that are not normalised tell domains apart better.
POOLED_SOLVER = SolverSettings(ridge=None, normalise_columns=False, pseudo_rows=0.5)


@dataclass(frozen=True, slots=True)
class PooledSettings:
    """The pooled feature map.

    Attributes:
        columns: h, the width of the pseudo-random block, a multiple of 8; 0 leaves it out.
        seed: of the pseudo-random block.
    """

    columns: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.columns <= COLUMNS_MAX or self.columns % 8:
            raise ManifestError(f"columns must be a multiple of 8 from 0 to {COLUMNS_MAX}, not {self.columns}")
        if not 0 <= self.seed < 1 << 64:
            raise ManifestError(f"the seed must be an unsigned 64-bit number, not {self.seed}")


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """How token scores become a decision.

    Attributes:
        rule: votes or summed scores.
        top_k: how many tokens vote.
        auto_rule: the rule is chosen on the private hold-outs; `rule` counts until then.
        auto_top_k: so is the number of votes.
    """

    rule: DecisionRule = DecisionRule.VOTES
    top_k: int = 10
    auto_rule: bool = False
    auto_top_k: bool = False

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ManifestError(f"top_k must be at least 1, not {self.top_k}")

    def candidates(self) -> tuple["RoutingSettings", ...]:
        """All ways to decide that are left open, with nothing open any more; the default comes first."""
        rules = tuple(DecisionRule) if self.auto_rule else (self.rule,)
        numbers = dict.fromkeys((self.top_k, *_TOP_K_CANDIDATES)) if self.auto_top_k else (self.top_k,)
        ways = [RoutingSettings(DecisionRule.VOTES, k) for k in numbers if DecisionRule.VOTES in rules]
        if DecisionRule.SCORES in rules:
            ways.append(RoutingSettings(DecisionRule.SCORES, self.top_k))
        return tuple(ways)


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """Differential privacy of each owner's contributions to each domain (see `ridgeway.privacy`).

    Attributes:
        epsilon: of all contributions that an owner ever makes to one domain.
        delta: likewise.
        contributions: how many of them there may be; each costs an equal part of the budget.
        cost: of one contribution, in rho of zero-concentrated differential privacy.
        public_prompts_sha256: of the public prompts by which embeddings are whitened, in hexadecimal.
    """

    epsilon: float
    delta: float
    contributions: int
    cost: float
    public_prompts_sha256: str

    def __post_init__(self) -> None:
        if not (0 < self.epsilon < math.inf and 0 < self.delta < 1 and 0 < self.cost < math.inf):
            raise ManifestError("epsilon and cost must be positive, and delta between 0 and 1; try --dp 3,1e-6")
        if self.contributions < 1:
            raise ManifestError(f"a budget is for at least 1 contribution, not {self.contributions}")

    @property
    def limit(self) -> float:
        """The cost of all contributions of an owner to a domain, in rho."""
        return self.cost * self.contributions


@dataclass(frozen=True, slots=True)
class Manifest:
    """The agreement of one federation; immutable once the federation exists."""

    federation_id: str
    embedder: EmbedderFingerprint
    feature_map: FeatureMap = FeatureMap.TOKENS
    pooled: PooledSettings = field(default_factory=PooledSettings)
    fraction_bits: int = FRACTION_BITS[MassRule.OWNER]
    mass: MassRule = MassRule.OWNER
    masking: Masking = Masking.OFF
    min_cohort: int = MIN_COHORT
    solver: SolverSettings = field(default_factory=SolverSettings)
    routing: RoutingSettings = field(default_factory=RoutingSettings)
    privacy: PrivacySettings | None = None
    coordination: Coordination = Coordination.COORDINATOR

    def __post_init__(self) -> None:
        if not 8 <= self.fraction_bits <= 46:
            raise ManifestError(f"fraction_bits must lie between 8 and 46, not {self.fraction_bits}")
        if self.min_cohort < MIN_COHORT:
            raise ManifestError(f"min_cohort must be at least {MIN_COHORT}, not {self.min_cohort}")
        if self.privacy is not None:
            self._check_private()

    def _check_private(self) -> None:
        """One prompt must be one row of bounded length, and noise must not depend on how many rows an owner has."""
        if self.feature_map is not FeatureMap.POOLED or self.pooled.columns:
            raise ManifestError("differential privacy needs --features pooled --columns 0, whose rows have length 1")
        if self.mass is not MassRule.TOKENS:
            raise ManifestError(
                "differential privacy needs --mass tokens: with mass 1 an owner of few prompts would drown a domain in"
                " noise"
            )

    @property
    def layout(self) -> Layout:
        """How a contribution's numbers lie."""
        return Layout(self.dimension, self.fraction_bits, moments_only=self.privacy is not None)

    @property
    def dimension(self) -> int:
        """D: the length of a row of X, the embedding, the pseudo-random block of pooled features, and the bias."""
        block = self.pooled.columns if self.feature_map is FeatureMap.POOLED else 0
        return self.embedder.dimension + block + 1

    @property
    def dialled_first(self) -> str:
        """The member that every other prefers to speak with; empty if there is none."""
        return COORDINATOR if self.coordination is Coordination.MIXED else ""

    @property
    def _version(self) -> int:
        """The lowest version whose releases know all that is agreed."""
        if self.coordination is Coordination.MIXED:
            return MIXED_MANIFEST_VERSION
        if self.coordination is Coordination.PEERS:
            return PEERS_MANIFEST_VERSION
        return MANIFEST_VERSION if self.privacy is None else PRIVATE_MANIFEST_VERSION

    def to_json(self) -> bytes:
        """Canonical JSON: sorted keys, no white space; equal manifests give equal bytes."""
        document = {"manifest": self._version, **asdict(self)}
        if self.privacy is None:
            del document["privacy"]
        if self.coordination is Coordination.COORDINATOR:
            del document["coordination"]
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Read what `to_json` wrote.

        Raises:
            ManifestError: the bytes are no manifest, or one of a newer version.
        """
        try:
            document = orjson.loads(data)
            version = document.pop("manifest")
            if version not in range(MANIFEST_VERSION, MIXED_MANIFEST_VERSION + 1):
                raise ManifestError(f"this manifest has version {version}; use a release that knows it")
            return cls(
                federation_id=document["federation_id"],
                embedder=EmbedderFingerprint(**document["embedder"]),
                feature_map=FeatureMap(document["feature_map"]),
                pooled=PooledSettings(**document["pooled"]),
                fraction_bits=document["fraction_bits"],
                mass=MassRule(document["mass"]),
                masking=Masking(document["masking"]),
                min_cohort=document["min_cohort"],
                solver=SolverSettings(**document["solver"]),
                routing=RoutingSettings(**document["routing"] | {"rule": DecisionRule(document["routing"]["rule"])}),
                privacy=PrivacySettings(**document["privacy"]) if "privacy" in document else None,
                coordination=Coordination(document.get("coordination", Coordination.COORDINATOR)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ManifestError("these bytes are not a manifest of a federation; fetch it again") from error

    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes, 32 bytes."""
        return hashlib.sha256(_LABEL + self.to_json()).digest()
