"""Explanations: pieces are the very text of the prompt under every kind of tokeniser, and shares add up."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from toy import toy_embedder

from ridgeway.cli.explain_page import page
from ridgeway.cli.explain_view import visible
from ridgeway.embedder import Embedder, fingerprint
from ridgeway.explanation import explain, pieces
from ridgeway.fallback import BadFallback, Fallback
from ridgeway.feature_map import Router, ready_router
from ridgeway.manifest import DecisionRule, FeatureMap, Manifest, PooledSettings, RoutingSettings
from ridgeway.proto.decision_document import explanation_document
from ridgeway.router import Expert, RouterWeights
from ridgeway.routing import Decision, NoKnownToken

CORPUS = [
    "The quick brown fox jumps over the lazy dog, naïvely.",
    "def main(args): return [x ** 2 for x in range(10)]",
    "Ärzte prüfen die Dosierung; 日本語の文章 and emoji 🙂👍🏽 too.",
    "WHEREAS the party of the first part, hereinafter the LESSOR",
]
DOMAINS = ("law", "math", "medicine")
texts = st.text(st.sampled_from("aeio THEquick.,(é日本🙂👍🏽\u0301\n\tßÄ9"), min_size=1, max_size=40)


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    return tokenizer


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [AddedToken("[UNK]", special=True), AddedToken("[CLS]", special=True)]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=150, unk_token="<unk>", special_tokens=["<unk>"])  # noqa: S106
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def embedder_of(tokenizer: Tokenizer) -> Embedder:
    size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    matrix = np.random.default_rng(0).normal(size=(size, 5)).astype(np.float32)
    document = tokenizer.to_str().encode()
    json.loads(document)
    return Embedder(tokenizer, matrix, fingerprint("trained", document, matrix))


EMBEDDERS = [toy_embedder(), *(embedder_of(make()) for make in (byte_level, word_piece, unigram))]


def router_of(embedder: Embedder, way: RoutingSettings | None) -> Router:
    if way is None:
        manifest = Manifest("test", embedder.fingerprint, FeatureMap.POOLED, PooledSettings(columns=8))
    else:
        manifest = Manifest("test", embedder.fingerprint, routing=way)
    weights = np.random.default_rng(1).normal(size=(manifest.dimension, len(DOMAINS)))
    return ready_router(RouterWeights(4, DOMAINS, weights, 0.01, b"", b""), embedder, manifest)


WAYS = [None, RoutingSettings(DecisionRule.VOTES, 4), RoutingSettings(DecisionRule.SCORES)]
ROUTERS = [router_of(embedder, way) for embedder in EMBEDDERS for way in WAYS]


@given(st.sampled_from(ROUTERS), texts | st.sampled_from(CORPUS))
def test_the_pieces_are_the_prompt_and_the_shares_are_the_evidence(router: Router, prompt: str) -> None:
    try:
        explanation = explain(router, prompt)
    except NoKnownToken:
        with pytest.raises(NoKnownToken):
            router.route(prompt)
        return
    assert "".join(text for text, _ in pieces(explanation)) == prompt
    assert explanation.decision == router.route(prompt)
    for segment in explanation.segments:
        assert segment.text == prompt[segment.start : segment.stop]
    tokens = [token for segment in explanation.segments for token in segment.tokens]
    assert sorted(token.token_id for token in tokens) == sorted(router.embedder.encode(prompt))
    evidence, votes = explanation.evidence, np.array(list(explanation.decision.votes.values()))
    is_vote = any(token.vote is not None and token.shares.max() > 0 for token in tokens) and votes.sum() >= 1
    way = getattr(router, "settings", None)
    if isinstance(way, RoutingSettings) and way.rule is DecisionRule.VOTES:
        assert is_vote
        votes = votes / votes.sum()
        assert sum(token.kept for token in tokens) == sum(explanation.decision.votes.values()) <= 4
    np.testing.assert_allclose(evidence, votes, atol=1e-9)


@pytest.mark.parametrize("router", ROUTERS[3::3])
def test_text_of_every_script_comes_back_as_it_was_written(router: Router) -> None:
    for prompt in CORPUS:
        shown = [text for text, segment in pieces(explain(router, prompt)) if segment]
        assert all(text in prompt for text in shown)
        assert "".join(text for text, _ in pieces(explain(router, prompt))) == prompt


def test_bytes_of_one_character_form_one_segment() -> None:
    explanation = explain(router_of(EMBEDDERS[1], None), "ok 🦩 ok")
    (flamingo,) = [segment for segment in explanation.segments if "🦩" in segment.text]
    assert len(flamingo.tokens) > 1
    assert flamingo.text.strip() == "🦩"


@given(st.sampled_from(ROUTERS[:3]), st.lists(st.sampled_from(["w1", "w2", "w30", "unheard"]), min_size=1, max_size=6))
def test_the_document_is_data(router: Router, words: list[str]) -> None:
    prompt = " ".join([*words, "w3"])
    document = json.loads(json.dumps(explanation_document(explain(router, prompt))))
    assert [segment["text"] for segment in document["segments"]] == prompt.split()
    assert document["runner_up"] in DOMAINS


def test_the_page_escapes_what_comes_from_prompts_and_names() -> None:
    hostile = '<script>alert("x")</script> & w1'
    weights = np.random.default_rng(1).normal(size=(7, 2))
    names = ("<b>law", "a&b")
    made = ready_router(
        RouterWeights(1, names, weights, 0.01, b"", b""),
        EMBEDDERS[0],
        Manifest("test", EMBEDDERS[0].fingerprint),
    )
    text = page([explain(made, hostile), explain(made, "w1 w2")])
    assert "<script" not in text
    assert "<b>law" not in text
    assert "&lt;" in text
    assert "&quot;" in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<section>") == 2


def test_cells_show_what_would_break_a_line() -> None:
    assert visible("a\nb\t\x1b[0m") == "a\\nb\\t\\x1b[0m"
    assert visible("") == "(none)"


def test_an_unsure_decision_goes_to_the_generalist_or_to_nobody() -> None:
    general = Expert("alpha", "general", "http://host/v1", "g")
    router = RouterWeights(1, DOMAINS, np.zeros((7, 3)), 0.01, b"", b"", experts=(general,))
    sure = Decision("law", 0.9, {"law": 1.0}, None, 1)
    fallback = Fallback.named(router, 0.95, "general")
    assert fallback.applied(sure) == sure._replace(expert=general, fallback=True)
    assert Fallback.named(router, 0.95, "none").applied(sure) == sure._replace(fallback=True)
    assert Fallback.named(router, 0.9, "general").applied(sure) is sure
    refusal = NoKnownToken("nothing")
    assert fallback.applied(refusal) is refusal
    with pytest.raises(BadFallback, match="known: general"):
        Fallback.named(router, 0.5, "generall")
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(BadFallback, match="from 0 to 1"):
            Fallback.named(router, wrong, "")
