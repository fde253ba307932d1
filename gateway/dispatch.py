"""One request from its body to its answer: parse, choose, ask until somebody answers, remember who did."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from ridgeway.gateway.api_request import ApiRequest
from ridgeway.gateway.attempts import Attempts, Cooling, Patience
from ridgeway.gateway.byte_budget import Lease
from ridgeway.gateway.catalogue import identity, listed_name
from ridgeway.gateway.choice import Candidate, Route
from ridgeway.gateway.conversation import Conversations
from ridgeway.gateway.router_follower import RouterFollower
from ridgeway.gateway.upstream import Answer, AttemptFailed, Upstream

_log = logging.getLogger("ridgeway.gateway")

# Tokenising this much takes about a millisecond; more is done in a thread, so that others need not wait.
TEXT_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and where it came from."""

    answer: Answer
    candidate: Candidate
    route: Route
    request_id: str

    @property
    def headers(self) -> dict[str, str]:
        """What the client is told beside the answer."""
        return {"x-request-id": self.request_id} | self.route.headers(self.candidate)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """What all requests share."""

    follower: RouterFollower
    conversations: Conversations
    upstream: Upstream
    patience: Patience
    cooling: Cooling = field(default_factory=Cooling)

    async def answer(self, request: ApiRequest, session: str | None, request_id: str, lease: Lease) -> Answered:
        """Route a request and ask until somebody answers.

        Raises:
            ApiError: nobody does, or it cannot be routed.
        """
        key = self.conversations.key(request, session)
        remembered = self.conversations.expert(key, time.monotonic()) if key else None
        chooser = self.follower.chooser
        if len(request.text) <= TEXT_AT_ONCE:
            route = chooser.choose(request, remembered)
        else:
            route = await asyncio.to_thread(chooser.choose, request, remembered)
        candidate, answer = await self._ask(request, route, request_id, lease)
        if key:
            self.conversations.keep(key, identity(candidate.expert), time.monotonic())
        return Answered(answer, candidate, route, request_id)

    async def _ask(self, request: ApiRequest, route: Route, request_id: str, lease: Lease) -> tuple[Candidate, Answer]:
        now = time.monotonic()
        candidates = self.cooling.last(route.candidates, now)
        attempts = Attempts(candidates, self.patience, self.patience.limit_s(stream=request.stream), now)
        while attempt := attempts.next(time.monotonic()):
            candidate = attempt.candidate
            await asyncio.sleep(attempt.pause_s)
            try:
                answer = await self.upstream.ask(request, candidate.expert, request_id, lease, attempt.limit_s)
            except AttemptFailed as error:
                _log.warning(
                    "%s: %s is %s: %s", request_id, listed_name(candidate.expert), error.failure.name.lower(), error
                )
                if attempts.failed(error.failure, error.retry_after_s):
                    self.cooling.passed_over(candidate, time.monotonic())
            else:
                self.cooling.answered(candidate)
                return candidate, answer
        raise attempts.conclusion()
