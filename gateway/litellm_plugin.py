"""LiteLLM's proxy with Ridgeway's choice: a callback that turns the model `auto` into the one that knows.

    litellm_settings:
      callbacks: ridgeway.gateway.litellm_plugin.router

RIDGEWAY_DATA_DIR names the node's data directory; RIDGEWAY_GATEWAY_MIN_CONFIDENCE, _FALLBACK, _OBJECTIVE and
_SWITCH_CONFIDENCE mean what the options of `ridgeway gateway` mean. LiteLLM keeps the experts' addresses and keys in
its `model_list`, under the names that docs/gateway.md gives, and asks the next best ones as its fallbacks.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

from ridgeway.errors import RidgewayError
from ridgeway.expert_choice import Objective
from ridgeway.gateway.api_error import ApiError, UnknownModel
from ridgeway.gateway.api_request import AUTO, ApiRequest, Endpoint
from ridgeway.gateway.attempts import CANDIDATES_MAX
from ridgeway.gateway.catalogue import identity, listed_name
from ridgeway.gateway.choice import SWITCH_CONFIDENCE, Candidate, Policy, Route
from ridgeway.gateway.conversation import Conversations
from ridgeway.gateway.router_follower import RouterFollower
from ridgeway.router import Expert

_VARIABLE = "RIDGEWAY_GATEWAY_"
_ENDPOINTS = {
    "completion": Endpoint.CHAT,
    "acompletion": Endpoint.CHAT,
    "text_completion": Endpoint.COMPLETIONS,
    "atext_completion": Endpoint.COMPLETIONS,
}
# Where LiteLLM keeps what a request's callbacks tell each other.
_NOTE = "ridgeway"


class NoDataDirectory(RidgewayError):
    """Nobody said whose router to use."""


class RidgewayRouter(CustomLogger):  # type: ignore[misc]
    """Routes LiteLLM's requests for the model `auto`."""

    def __init__(self, data_dir: Path, policy: Policy) -> None:
        super().__init__()
        self._follower = RouterFollower(data_dir, policy)
        self._follower.load()
        self._conversations = Conversations(secrets.token_bytes(32))
        self._following: asyncio.Task[None] | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "RidgewayRouter":
        """As variables say.

        Raises:
            NoDataDirectory: RIDGEWAY_DATA_DIR is not set.
            RidgewayError: what the data directory or the policy refuses.
        """
        if not environment.get("RIDGEWAY_DATA_DIR"):
            raise NoDataDirectory("set RIDGEWAY_DATA_DIR to the data directory of a node that has joined")
        policy = Policy(
            min_confidence=float(environment.get(_VARIABLE + "MIN_CONFIDENCE", 0.0)),
            fallback=environment.get(_VARIABLE + "FALLBACK", "none"),
            objective=Objective.parse(environment.get(_VARIABLE + "OBJECTIVE", "")),
            switch_confidence=float(environment.get(_VARIABLE + "SWITCH_CONFIDENCE", SWITCH_CONFIDENCE)),
            # The addresses that are asked are those of LiteLLM's configuration, not the federation's.
            allow_http=True,
        )
        return cls(Path(environment["RIDGEWAY_DATA_DIR"]), policy)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: object, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Put the chosen model in the place of `auto`, and the next best ones behind it as fallbacks.

        Raises:
            HTTPException: the request cannot be routed; in OpenAI's shape.
        """
        if data.get("model") != AUTO or call_type not in _ENDPOINTS:
            return data
        if self._following is None:
            self._following = asyncio.create_task(self._follower.follow())
        try:
            route, served = await self._choose(_ENDPOINTS[call_type], data)
        except ApiError as error:
            raise HTTPException(error.status, detail=error.document()["error"]) from error
        names = [name for name, _ in served]
        note = data.setdefault("metadata", {})
        note[_NOTE] = route.headers(served[0][1])
        return data | {"model": names[0], "fallbacks": list(dict.fromkeys(names[1:]))}

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], user_api_key_dict: Any, response: object, request_headers: object = None
    ) -> dict[str, str] | None:
        """Say how the request was routed."""
        note = (data.get("metadata") or {}).get(_NOTE)
        return note if isinstance(note, dict) else None

    async def _choose(self, endpoint: Endpoint, data: dict[str, Any]) -> tuple[Route, list[tuple[str, Candidate]]]:
        """The route, and those of its candidates that LiteLLM knows, by LiteLLM's names."""
        request = ApiRequest.of(endpoint, data)
        key = self._conversations.key(request, _session(data))
        remembered = self._conversations.expert(key, time.monotonic()) if key else None
        route = await asyncio.to_thread(self._follower.chooser.choose, request, remembered)
        known = known_names()
        served = [
            (name, candidate)
            for candidate in route.candidates
            if (name := _name_at_litellm(candidate.expert, known)) is not None
        ][:CANDIDATES_MAX]
        if not served:
            raise UnknownModel("LiteLLM's model_list has none of the experts; add them as OWNER/DOMAIN")
        if key:
            self._conversations.keep(key, identity(served[0][1].expert), time.monotonic())
        return route, served


def known_names() -> Container[str]:
    """The names of LiteLLM's model_list."""
    from litellm.proxy.proxy_server import llm_router  # noqa: PLC0415 - there once the proxy has started

    return set(llm_router.model_names) if llm_router else set()


def _name_at_litellm(expert: Expert, known: Container[str]) -> str | None:
    return next((name for name in (listed_name(expert), expert.domain, expert.model) if name in known), None)


def _session(data: dict[str, Any]) -> str | None:
    headers = (data.get("proxy_server_request") or {}).get("headers") or {}
    session = headers.get("x-ridgeway-session")
    return session if isinstance(session, str) else None


router = RidgewayRouter.from_environment(os.environ)
