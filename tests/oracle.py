"""Slow and obvious versions of what the core does fast: every row of X made, every score computed."""

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

from ridgeway.embedder import Embedder
from ridgeway.manifest import DecisionRule, PooledSettings, RoutingSettings
from ridgeway.projection import packed_signs


def rows_of(embedder: Embedder, prompts: list[str]) -> npt.NDArray[np.float64]:
    """X: one row for each token that counts, the embedding and a 1."""
    special = set(embedder.special_ids.tolist())
    ids = [i for prompt in prompts for i in embedder.encode(prompt) if i not in special]
    rows = embedder.rows(np.array(ids, dtype=np.int64)).astype(np.float64)
    return np.hstack([rows, np.ones((len(ids), 1))])


def route(embedder: Embedder, weights: npt.NDArray[np.float64], prompt: str, settings: RoutingSettings) -> int | None:
    """The chosen domain's index, or None if no token is known."""
    special = set(embedder.special_ids.tolist())
    ids = [i for i in embedder.encode(prompt) if i not in special]
    if not [i for i in ids if i != embedder.unknown_id]:
        return None
    scored = [(token_scores(embedder, weights, i), i) for i in ids]
    if settings.rule is DecisionRule.SCORES:
        return int(np.argmax(np.mean([scores for scores, _ in scored], axis=0)))
    kept = sorted((entropy(scores), i, int(np.argmax(scores))) for scores, i in scored)[: settings.top_k]
    votes = Counter(vote for _, _, vote in kept)
    doubt = {vote: sum(e for e, _, v in kept if v == vote) for vote in votes}
    return min(votes, key=lambda vote: (-votes[vote], doubt[vote], vote))


def token_scores(embedder: Embedder, weights: npt.NDArray[np.float64], token: int) -> npt.NDArray[np.float64]:
    """One token's score for each domain, computed as the vote table's block does, so that equal tokens tie equally."""
    for start, rows in embedder.blocks(8192):
        if start <= token < start + len(rows):
            scores: npt.NDArray[np.float64] = (rows @ weights[:-1] + weights[-1])[token - start]
            return scores
    raise IndexError(token)


def entropy(scores: npt.NDArray[np.float64]) -> float:
    """Shannon entropy of the softmax, term by term."""
    exponentials = [math.exp(score - max(scores)) for score in scores]
    shares = [e / sum(exponentials) for e in exponentials]
    return -sum(share * math.log(share) for share in shares if share > 0)


def leave_one_out_error(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], ridge: float
) -> float:
    """GCV by its definition: residuals of the weighted fit over 1 - 1.4 tr H / n, squared; n as Kish has it."""
    root = np.sqrt(weights)[:, None]
    wx, wy = x * root, y * root
    hat = wx @ np.linalg.inv(wx.T @ wx + ridge * np.eye(x.shape[1])) @ wx.T
    residuals = wy - hat @ wy
    freedom = 1 - 1.4 * np.trace(hat) / (weights.sum() ** 2 / (weights**2).sum())
    return float((residuals**2).sum() / freedom**2) if freedom > 0 else math.inf


def pooled_rows(embedder: Embedder, prompts: list[str], settings: PooledSettings) -> npt.NDArray[np.float64]:
    """X of the pooled feature map: a row for each prompt with a known token, computed token by token."""
    special, rows = set(embedder.special_ids.tolist()), []
    packed = packed_signs(settings.seed, embedder.vocabulary_size, settings.columns)
    for prompt in prompts:
        counts = Counter(i for i in embedder.encode(prompt) if i not in special)
        if not set(counts) - {embedder.unknown_id}:
            continue
        weights = {i: 1 + math.log(n) for i, n in counts.items()}
        embedded = sum(w * embedder.rows(np.array([i]))[0].astype(np.float64) for i, w in weights.items())
        bits = {i: np.array([byte >> (7 - k) & 1 for byte in packed[i].tolist() for k in range(8)]) for i in weights}
        hashed = sum(w * (2.0 * bits[i] - 1.0) for i, w in weights.items())
        norm = math.sqrt(sum(w * w for w in weights.values()) * max(settings.columns, 1))
        rows.append(np.concatenate([embedded / np.linalg.norm(embedded), hashed / norm, [1.0]]))
    return np.array(rows)
