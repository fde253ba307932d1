"""What statistics depend on, apart from the prompts: the embedder and the feature map, of all that a manifest says.

Statistics that were computed elsewhere may be contributed to a federation that makes the same rows of the same prompts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ridgeway.embedder import EmbedderFingerprint
from ridgeway.errors import RidgewayError
from ridgeway.manifest import FeatureMap, Manifest, PooledSettings


class OtherFeatures(RidgewayError):
    """Statistics of other rows than the federation's."""


@dataclass(frozen=True, slots=True)
class Features:
    """How prompts become rows.

    Attributes:
        embedder: whose tokens and embeddings they are made of.
        feature_map: a row for each token or for each prompt.
        pooled: of pooled rows; None for tokens.
        whitened_by: SHA-256 of the public prompts by which embeddings are whitened, in hexadecimal; "" if they are not.
    """

    embedder: EmbedderFingerprint
    feature_map: FeatureMap
    pooled: PooledSettings | None = None
    whitened_by: str = ""

    @classmethod
    def of(cls, manifest: Manifest) -> "Features":
        """Those of a federation."""
        pooled = manifest.pooled if manifest.feature_map is FeatureMap.POOLED else None
        whitened_by = manifest.privacy.public_prompts_sha256 if manifest.privacy else ""
        return cls(manifest.embedder, manifest.feature_map, pooled, whitened_by)

    @property
    def dimension(self) -> int:
        """D."""
        return self.embedder.dimension + (self.pooled.columns if self.pooled else 0) + 1

    def check_same(self, federation: "Features") -> None:
        """These must be the federation's; what the embedder is called is not compared.

        Raises:
            OtherFeatures: they are not.
        """
        ours = (self.feature_map, self.pooled, self.whitened_by)
        theirs = (federation.feature_map, federation.pooled, federation.whitened_by)
        if ours != theirs or not self.embedder.matches(federation.embedder):
            raise OtherFeatures(
                f"these statistics are of {self.describe()}, the federation computes with {federation.describe()};"
                " compute them again with the federation's manifest (ridgeway manifest)"
            )

    def describe(self) -> str:
        """Everything that is compared, for a person who compares two."""
        pooled = f", {self.pooled.columns} columns of seed {self.pooled.seed}" if self.pooled else ""
        whitened = f", whitened by {self.whitened_by[:12]}" if self.whitened_by else ""
        return f"{self.feature_map} features{pooled}{whitened} of {self.embedder.describe()}"

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Features":
        """Read what `to_document` made.

        Raises:
            KeyError, TypeError, ValueError, ManifestError: it is something else.
        """
        pooled = document["pooled"]
        return cls(
            EmbedderFingerprint(**document["embedder"]),
            FeatureMap(document["feature_map"]),
            None if pooled is None else PooledSettings(**pooled),
            str(document["whitened_by"]),
        )
