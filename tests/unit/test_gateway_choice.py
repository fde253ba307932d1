"""Whom the gateway sends a request to, and to whom next, with a toy router and without any I/O."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from gateway_running import SUBJECTS, VAGUE, toy_router

from ridgeway.fallback import BadFallback
from ridgeway.feature_map import Router, ready_router
from ridgeway.gateway.api_error import CannotRoute, ExpertsUnavailable, NotSureEnough, UnknownModel
from ridgeway.gateway.api_request import AUTO, ApiRequest, Endpoint
from ridgeway.gateway.catalogue import identity
from ridgeway.gateway.choice import Chooser, Policy, Reason, Route
from ridgeway.manifest import Manifest
from ridgeway.router import Expert

LAW, MATH, MEDICINE = SUBJECTS.values()
FIRM, BUREAU, SCHOOL, CLINIC = (
    Expert("firm", "law", "https://1/v1", "law-8b"),
    Expert("bureau", "law", "https://2/v1", "law-3b"),
    Expert("school", "math", "https://3/v1", "math-8b"),
    Expert("clinic", "medicine", "https://4/v1", "med-70b"),
)
GENERAL = Expert("clinic", "general", "https://4/v1", "all-70b")
Make = Callable[..., Chooser]
EVERYBODY = (FIRM, BUREAU, SCHOOL, CLINIC, GENERAL)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Router, Manifest]:
    return toy_router(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def make(toy: tuple[Router, Manifest]) -> Make:
    """A chooser with these experts."""
    router, manifest = toy

    def made(policy: Policy | None = None, experts: tuple[Expert, ...] = EVERYBODY) -> Chooser:
        weights = replace(router.router, experts=experts)
        return Chooser(ready_router(weights, router.embedder, manifest), policy or Policy())

    return made


def chat(*said: str, model: str = AUTO) -> ApiRequest:
    messages = [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(said)]
    return ApiRequest.parse(Endpoint.CHAT, json.dumps({"model": model, "messages": messages}).encode())


def experts(route: Route) -> list[Expert]:
    return [candidate.expert for candidate in route.candidates]


def test_the_next_best_are_of_the_same_domain_and_then_of_the_likelier_domains(make: Make) -> None:
    route = make().choose(chat(LAW + " w24"), None)
    assert experts(route) == [BUREAU, FIRM, CLINIC, SCHOOL]
    chances = [candidate.confidence or 0.0 for candidate in route.candidates]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == chances[1]
    assert route.reason is Reason.ROUTED


def test_a_domain_that_nobody_serves_goes_to_the_next_best(make: Make) -> None:
    assert experts(make(experts=(FIRM, SCHOOL)).choose(chat(MEDICINE + " w0"), None))[0] in {FIRM, SCHOOL}
    with pytest.raises(ExpertsUnavailable):
        make(experts=()).choose(chat(LAW), None)
    with pytest.raises(ExpertsUnavailable):
        make(experts=(replace(FIRM, url="http://elsewhere.example/v1"),)).choose(chat(LAW), None)


def test_a_named_model_never_becomes_another(make: Make) -> None:
    assert experts(make().choose(chat(MATH, model="law"), identity(CLINIC))) == [BUREAU, FIRM]
    assert experts(make().choose(chat(MATH, model="firm/law"), None)) == [FIRM]
    with pytest.raises(UnknownModel):
        make().choose(chat(MATH, model="chess"), None)


def test_a_later_turn_stays_unless_the_router_is_sure_of_another_domain(make: Make) -> None:
    for turn, first, reason in ((VAGUE, CLINIC, Reason.KEPT), (MATH, SCHOOL, Reason.SWITCHED)):
        route = make().choose(chat(MEDICINE, "yes", turn), identity(CLINIC))
        assert (experts(route)[0], route.reason) == (first, reason)
    never = make(Policy(switch_confidence=1.0)).choose(chat(MEDICINE, "yes", MATH), identity(CLINIC))
    assert (experts(never)[0], never.reason) == (CLINIC, Reason.KEPT)


def test_a_later_turn_without_a_known_word_stays(make: Make) -> None:
    route = make().choose(chat(LAW, "yes", "nonsense"), identity(FIRM))
    assert (experts(route), route.reason) == ([FIRM, BUREAU], Reason.KEPT)
    assert route.candidates[0].confidence is None
    assert "x-ridgeway-confidence" not in route.headers(route.candidates[0])


def test_a_conversation_that_is_not_remembered_has_the_expert_of_its_opening(make: Make) -> None:
    assert experts(make().choose(chat(MEDICINE, "yes", VAGUE), None))[0] == CLINIC
    gone = ("left", "law", "https://9/v1", "m")
    assert experts(make().choose(chat(MEDICINE, "yes", VAGUE), gone))[0] == CLINIC
    assert experts(make().choose(chat(LAW), gone))[0] == BUREAU


def test_what_cannot_be_routed_is_an_error_only_at_the_beginning(make: Make) -> None:
    for text in ("", "nonsense"):
        with pytest.raises(CannotRoute):
            make().choose(chat(text), None)


def test_an_unsure_prompt_goes_to_the_generalist_and_after_it_to_the_likelier_domains(make: Make) -> None:
    route = make(Policy(min_confidence=0.9, fallback="general")).choose(chat(VAGUE), None)
    assert (experts(route)[0], route.reason) == (GENERAL, Reason.UNSURE)
    assert set(experts(route)) == set(EVERYBODY)
    kept = make(Policy(min_confidence=0.9)).choose(chat(LAW, "yes", VAGUE), identity(FIRM))
    assert (experts(kept)[0], kept.reason) == (FIRM, Reason.KEPT)
    with pytest.raises(NotSureEnough):
        make(Policy(min_confidence=0.9)).choose(chat(VAGUE), None)
    with pytest.raises(BadFallback):
        make(Policy(fallback="genius"))


def test_the_headers_tell_of_whoever_answered(make: Make) -> None:
    route = make().choose(chat(LAW + " w24"), None)
    told = route.headers(route.candidates[2])
    assert told["x-ridgeway-expert"] == "clinic/medicine"
    assert told["x-ridgeway-reason"] == "routed, passed on"
    assert float(told["x-ridgeway-confidence"]) < 0.5
