"""TF-IDF and logistic regression, with all data in one place: the classifier that text classification starts from."""

from collections.abc import Mapping, Sequence
from typing import Any

from ridgeway.baselines.method import NotInstalled, labelled, prompt_bytes


class TfidfRegression:
    """scikit-learn's TfidfVectorizer and LogisticRegression.

    Raises:
        NotInstalled: scikit-learn is missing.
    """

    name = "TF-IDF + logistic regression, central"

    def __init__(self) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.linear_model import LogisticRegression
        except ImportError as error:
            raise NotInstalled("scikit-learn is not installed; pip install 'ridgeway[compare]'") from error
        self._vectors: Any = TfidfVectorizer(sublinear_tf=True)
        self._classifier: Any = LogisticRegression(max_iter=2000, C=10.0, class_weight="balanced")
        self._sent: dict[str, int] = {}

    def train(self, prompts: Mapping[str, Sequence[str]]) -> None:
        """Learn from all prompts together."""
        texts, labels = labelled(prompts)
        self._classifier.fit(self._vectors.fit_transform(texts), labels)
        self._sent = prompt_bytes(prompts)

    def choose(self, prompts: Sequence[str]) -> list[str | None]:
        """The likeliest domain of each prompt."""
        return [str(label) for label in self._classifier.predict(self._vectors.transform(prompts))]

    def router_bytes(self) -> int:
        """Coefficients, inverse document frequencies and the words."""
        words = sum(len(word.encode()) for word in self._vectors.vocabulary_)
        return int(self._classifier.coef_.nbytes + self._vectors.idf_.nbytes + words)

    def sent_bytes(self) -> dict[str, int]:
        """The prompts."""
        return self._sent
