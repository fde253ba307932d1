"""The Routing service: where do prompts go, for programs beside the node."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import grpc

from ridgeway.errors import RidgewayError
from ridgeway.expert_choice import Objective
from ridgeway.fallback import Fallback, Outcome
from ridgeway.feature_map import Router
from ridgeway.node.observer import RoutingObserver, Unobserved
from ridgeway.node.router_store import RouterStore
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.experts import expert_message
from ridgeway.routing import Decision, NoKnownToken

# With gRPC's limit of 4 MiB a message these are rarely reached; they bound the work of one call. A vote takes some 20
# bytes, so the answer stays below the limit too.
PROMPTS_PER_CALL = 4096
VOTES_PER_CALL = 100_000
TOP_K_MAX = 10_000


class Chooser(Protocol):
    """Applies what a request wishes."""

    def __call__(self, outcome: Outcome) -> Outcome:
        """The decision that is answered."""


class BadRouteRequest(RidgewayError):
    """A call beyond the bounds."""


class RoutingService:
    """Answers from the newest router at hand, whether the coordinator is there or not."""

    def __init__(
        self,
        routers: RouterStore,
        authorise: Callable[[grpc.aio.ServicerContext], None],
        observer: RoutingObserver | None = None,
    ) -> None:
        self._routers = routers
        self._authorise = authorise
        self._observer = observer or Unobserved()

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers."""
        return rpc.handlers(rpc.ROUTING, {rpc.ROUTE: self.route, rpc.ROUTE_BATCH: self.route_batch})

    async def route(self, request: m.RouteRequest, context: grpc.aio.ServicerContext) -> m.RouteResponse:
        """One prompt."""
        self._authorise(context)
        router = self._routers.require()
        choose = _chooser(router, request)
        top_k = _top_k(request.top_k)
        try:
            decision = choose(await asyncio.to_thread(router.route, request.prompt, top_k))
        except NoKnownToken:
            self._observer.unroutable()
            raise
        self._count(decision)
        return m.RouteResponse(decision_message(decision))

    async def route_batch(
        self, request: m.RouteBatchRequest, context: grpc.aio.ServicerContext
    ) -> m.RouteBatchResponse:
        """Many prompts; one that cannot be routed is answered with why."""
        self._authorise(context)
        router = self._routers.require()
        most = min(PROMPTS_PER_CALL, VOTES_PER_CALL // len(router.router.domains))
        if len(request.prompts) > most:
            raise BadRouteRequest(f"a call takes {most} prompts, not {len(request.prompts)}; split the batch")
        choose = _chooser(router, request)
        outcomes = await asyncio.to_thread(router.route_batch, request.prompts, _top_k(request.top_k))
        chosen = [choose(outcome) for outcome in outcomes]
        for outcome in chosen:
            self._count(outcome)
        return m.RouteBatchResponse(tuple(_entry(outcome) for outcome in chosen))

    def _count(self, outcome: Outcome) -> None:
        if isinstance(outcome, NoKnownToken):
            self._observer.unroutable()
        else:
            self._observer.routed(outcome.domain, outcome.confidence, fallback=outcome.fallback)


def _chooser(router: Router, request: m.RouteRequest | m.RouteBatchRequest) -> Chooser:
    """What a request wishes to be done with a decision: the fallback first, then the objective."""
    fallback = Fallback.named(router.router, request.min_confidence, request.fallback)
    objective = Objective.parse(request.objective)
    return lambda outcome: objective.applied(fallback.applied(outcome), router)


def decision_message(decision: Decision) -> m.Decision:
    """A decision as it travels."""
    expert = decision.expert
    return m.Decision(
        domain=decision.domain,
        confidence=decision.confidence,
        votes=tuple(m.DomainVote(domain, votes) for domain, votes in decision.votes.items()),
        expert=expert_message(expert) if expert else None,
        router_version=decision.router_version,
        fallback=decision.fallback,
    )


def _entry(outcome: Decision | NoKnownToken) -> m.BatchEntry:
    if isinstance(outcome, NoKnownToken):
        return m.BatchEntry(refusal=str(outcome))
    return m.BatchEntry(decision=decision_message(outcome))


def _top_k(wish: int) -> int | None:
    if wish > TOP_K_MAX:
        raise BadRouteRequest(f"top_k may be up to {TOP_K_MAX}, not {wish}")
    return wish or None
