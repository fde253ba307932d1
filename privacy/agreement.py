"""What a federation with differential privacy agrees on, and how a newcomer checks that it is what it says."""

import hashlib

from ridgeway import samples
from ridgeway.embedder import Embedder
from ridgeway.manifest import Manifest, PrivacySettings
from ridgeway.privacy.budget import affordable
from ridgeway.privacy.errors import PrivacyError
from ridgeway.privacy.whitened import WhitenedEmbedder

# Another release of the accounting library may calibrate a little differently.
_TOLERANCE = 1e-3


def agree(epsilon: float, delta: float, contributions: int) -> PrivacySettings:
    """The settings of a new federation.

    Args:
        epsilon: of all contributions of an owner to a domain together.
        delta: likewise.
        contributions: how many there may be.

    Raises:
        PrivacyError: the numbers promise nothing, or the extra `dp` is not installed.
    """
    if contributions < 1:
        raise PrivacyError(f"a budget is for at least 1 contribution, not {contributions}")
    cost = affordable(epsilon, delta) / contributions
    return PrivacySettings(epsilon, delta, contributions, cost, _public_prompts_sha256())


def check_agreed(settings: PrivacySettings) -> None:
    """The noise must be enough for the epsilon and delta that the manifest states, and the public prompts be ours.

    Raises:
        PrivacyError: it is not, they are not, or the extra `dp` is not installed.
    """
    if settings.limit > affordable(settings.epsilon, settings.delta) * (1 + _TOLERANCE):
        raise PrivacyError(
            f"the federation states epsilon {settings.epsilon:g} and delta {settings.delta:g}, but its noise is too"
            " small for them; do not contribute, and tell its operator"
        )
    if settings.public_prompts_sha256 != _public_prompts_sha256():
        raise PrivacyError(
            "the federation whitens embeddings by other public prompts than this release has; use the release of its"
            " coordinator"
        )


def agreed_embedder(embedder: Embedder, manifest: Manifest) -> Embedder:
    """The embedder as the federation's features see it. Blocks.

    Raises:
        PrivacyError: its public prompts are not ours.
    """
    if manifest.privacy is None:
        return embedder
    return WhitenedEmbedder(embedder, samples.prompts())


def _public_prompts_sha256() -> str:
    return hashlib.sha256("\0".join(samples.prompts()).encode()).hexdigest()
