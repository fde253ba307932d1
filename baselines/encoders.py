"""Prompts as vectors: by a sentence encoder, or by Ridgeway's own pooled embedding, which needs no model."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ridgeway.baselines.method import NotInstalled
from ridgeway.embedder import Embedder
from ridgeway.manifest import PooledSettings
from ridgeway.pooled import pooled_rows, weigh

# Vectors of unit length, float32[n, d], of n prompts.
Encoder: TypeAlias = Callable[[Sequence[str]], npt.NDArray[np.float32]]


def sentence_encoder(model: str) -> Encoder:
    """The encoder of a sentence-transformers model, by its name or directory.

    Raises:
        NotInstalled: sentence-transformers or torch is missing.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise NotInstalled("sentence-transformers is not installed; pip install 'ridgeway[sentence]'") from error
    encoder = SentenceTransformer(model)

    def encode(prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors = encoder.encode(list(prompts), batch_size=64, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    return encode


def static_encoder(embedder: Embedder) -> Encoder:
    """The mean of the token embeddings, to unit length."""

    def encode(prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        tokens = weigh([encoding.ids for encoding in embedder.encode_batch(prompts)], embedder)
        return pooled_rows(tokens, embedder, PooledSettings(columns=0))[:, :-1].astype(np.float32)

    return encode
