"""Whom a request is sent to, and to whom next if that one does not answer: a router and a request in, a route out.

A new conversation goes where the router sends its newest user message. A later turn stays with the conversation's
expert unless the router sends it to another domain with a confidence above `switch_confidence`: a short "and why?" says
little about its domain, a new subject says much. A conversation that is not remembered, say after a restart, counts as
one whose expert is the one that its first user message leads to, so that every gateway comes to the same.

If the first expert does not answer: the others of its domain by rank, then the other domains by their chance.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from ridgeway.expert_choice import Objective
from ridgeway.fallback import Fallback
from ridgeway.feature_map import Router
from ridgeway.gateway.api_error import CannotRoute, ExpertsUnavailable, NotSureEnough
from ridgeway.gateway.api_request import AUTO, ApiRequest
from ridgeway.gateway.catalogue import Catalogue, Identity, distinct, listed_name
from ridgeway.router import Expert
from ridgeway.routing import Decision, NoKnownToken

SWITCH_CONFIDENCE = 0.95


class Reason(StrEnum):
    """Why the first expert of a route is the first."""

    NAMED = "named"
    ROUTED = "routed"
    UNSURE = "unsure"
    KEPT = "kept"
    SWITCHED = "switched"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An expert, and the chance that its domain is the right one; None where nothing was decided."""

    expert: Expert
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Whom to ask, in this order."""

    candidates: tuple[Candidate, ...]
    reason: Reason
    router_version: int

    def headers(self, answered: Candidate) -> dict[str, str]:
        """What a client is told beside the answer of one of the candidates."""
        passed_on = answered.expert != self.candidates[0].expert
        told = {
            "x-ridgeway-domain": answered.expert.domain,
            "x-ridgeway-expert": listed_name(answered.expert),
            "x-ridgeway-router-version": str(self.router_version),
            "x-ridgeway-reason": f"{self.reason.value}, passed on" if passed_on else self.reason.value,
        }
        sure = answered.confidence
        return told if sure is None else told | {"x-ridgeway-confidence": f"{sure:.4f}"}


@dataclass(frozen=True, slots=True)
class Policy:
    """How decisions are followed; the first three as `ridgeway route` has them.

    Attributes:
        min_confidence: a decision less sure goes to the fallback.
        fallback: what the generalist serves, or "none".
        objective: what counts among nearly tied domains.
        switch_confidence: what a later turn must exceed to change the expert; 1 is never.
        allow_http: whether experts on other machines may be asked without encryption.
    """

    min_confidence: float = 0.0
    fallback: str = "none"
    objective: Objective = field(default_factory=Objective)
    switch_confidence: float = SWITCH_CONFIDENCE
    allow_http: bool = False


class Chooser:
    """Chooses with one router version.

    Raises:
        BadFallback: nobody serves what the policy names as the fallback.
    """

    def __init__(self, router: Router, policy: Policy) -> None:
        self._router = router
        self._policy = policy
        self._fallback = Fallback.named(router.router, policy.min_confidence, policy.fallback)
        self.version = router.router.version
        self.catalogue = Catalogue(router.router.experts, allow_http=policy.allow_http)

    def choose(self, request: ApiRequest, remembered: Identity | None) -> Route:
        """Whom a request is sent to.

        Args:
            request: what is asked.
            remembered: who answered the conversation's turn before, if that is known.

        Raises:
            UnknownModel: nobody serves the model that is named.
            CannotRoute: there is no text, or none that the router knows.
            NotSureEnough: the router is not sure, and nobody is there to fall back to.
            ExpertsUnavailable: the router's domains have no expert.
        """
        if request.model != AUTO:
            named = self.catalogue.named(request.model)
            return Route(tuple(map(Candidate, named)), Reason.NAMED, self.version)
        home = self._home(request, remembered)
        decision = self._decide(request.text)
        if home is None:
            return self._new(decision)
        if isinstance(decision, Decision) and self._switches(decision, home):
            return self._route(self._ranked(decision), decision, Reason.SWITCHED)
        others = self._ranked(decision) if isinstance(decision, Decision) else []
        return self._route(
            [home, *self.catalogue.serving(home.domain), *others],
            decision if isinstance(decision, Decision) else None,
            Reason.KEPT,
        )

    def _home(self, request: ApiRequest, remembered: Identity | None) -> Expert | None:
        home = self.catalogue.find(remembered) if remembered else None
        if home is not None or not request.continues:
            return home
        opening = self._decide(request.opening_text)
        return opening.expert if isinstance(opening, Decision) else None

    def _decide(self, text: str) -> Decision | NoKnownToken:
        try:
            decision = self._router.route(text)
        except NoKnownToken as refusal:
            return refusal
        return self._policy.objective.applied(self._fallback.applied(decision), self._router)

    def _new(self, decision: Decision | NoKnownToken) -> Route:
        if not isinstance(decision, Decision):
            raise CannotRoute(f"{decision}; or name a model")
        if decision.fallback and decision.expert is None:
            raise NotSureEnough(
                f"the router is sure to {decision.confidence:.2f} only, and no fallback is set; name a model"
            )
        return self._route(self._ranked(decision), decision, Reason.UNSURE if decision.fallback else Reason.ROUTED)

    def _switches(self, decision: Decision, home: Expert) -> bool:
        sure = decision.confidence > self._policy.switch_confidence
        return sure and not decision.fallback and decision.expert is not None and decision.domain != home.domain

    def _ranked(self, decision: Decision) -> list[Expert]:
        """The chosen expert, the others of its domain, then the other domains by their chance, the generalist last."""
        chances = self._router.probabilities(decision)
        first, last = ([expert] if expert else [] for expert in (decision.expert, self._fallback.expert))
        domains = [first[0].domain if first else decision.domain, *sorted(chances, key=lambda name: -chances[name])]
        return [*first, *(expert for domain in domains for expert in self.catalogue.serving(domain)), *last]

    def _route(self, experts: list[Expert], decision: Decision | None, reason: Reason) -> Route:
        """Experts that may be asked, each once, with the chance of its domain."""
        chances = self._router.probabilities(decision) if decision else {}
        sure = decision.confidence if decision else None
        allowed = [expert for expert in distinct(experts) if expert not in self.catalogue.left_out]
        if not allowed:
            raise ExpertsUnavailable("no expert serves a domain of the router; offer one with `ridgeway join --expert`")
        candidates = tuple(Candidate(expert, chances.get(expert.domain, sure)) for expert in allowed)
        return Route(candidates, reason, self.version)
