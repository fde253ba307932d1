"""Classifiers over prompts' vectors, with all data in one place: nearest neighbours, and logistic regression."""

from collections.abc import Mapping, Sequence
from typing import Any

from ridgeway.baselines.encoders import Encoder
from ridgeway.baselines.method import NotInstalled, labelled, prompt_bytes

NEIGHBOURS = 5


class OverVectors:
    """A scikit-learn classifier over an encoder's vectors.

    Args:
        name: for tables and figures.
        encoder: makes the vectors.
        classifier: scikit-learn's.
    """

    def __init__(self, name: str, encoder: Encoder, classifier: Any) -> None:
        self.name = name
        self._encoder = encoder
        self._classifier = classifier
        self._sent: dict[str, int] = {}
        self._trained_bytes = 0

    def train(self, prompts: Mapping[str, Sequence[str]]) -> None:
        """Learn from all prompts together."""
        texts, labels = labelled(prompts)
        vectors = self._encoder(texts)
        self._classifier.fit(vectors, labels)
        coefficients = getattr(self._classifier, "coef_", vectors)
        self._trained_bytes = int(coefficients.nbytes)
        self._sent = prompt_bytes(prompts)

    def choose(self, prompts: Sequence[str]) -> list[str | None]:
        """The likeliest domain of each prompt."""
        return [str(label) for label in self._classifier.predict(self._encoder(prompts))]

    def router_bytes(self) -> int:
        """The coefficients, or all training vectors; the encoder's own weights come on top."""
        return self._trained_bytes

    def sent_bytes(self) -> dict[str, int]:
        """The prompts."""
        return self._sent


def nearest_neighbours(name: str, encoder: Encoder) -> OverVectors:
    """The majority of the five nearest training prompts by cosine.

    Raises:
        NotInstalled: scikit-learn is missing.
    """
    try:
        from sklearn.neighbors import KNeighborsClassifier
    except ImportError as error:
        raise NotInstalled("scikit-learn is not installed; pip install 'ridgeway[compare]'") from error
    return OverVectors(name, encoder, KNeighborsClassifier(NEIGHBOURS, metric="cosine"))


def frozen_encoder(name: str, encoder: Encoder) -> OverVectors:
    """Logistic regression over a frozen encoder.

    Raises:
        NotInstalled: scikit-learn is missing.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise NotInstalled("scikit-learn is not installed; pip install 'ridgeway[compare]'") from error
    return OverVectors(name, encoder, LogisticRegression(max_iter=2000, C=10.0, class_weight="balanced"))
