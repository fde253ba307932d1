"""What a node shows over HTTP; needs the extra `http`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ridgeway.errors import RidgewayError
from ridgeway.explanation import explain
from ridgeway.node.agent import Agent, is_member
from ridgeway.node.router_store import RouterStore
from ridgeway.proto import messages as m
from ridgeway.proto.decision_document import decision_document, explanation_document
from ridgeway.proto.status_document import federation_document, iso_time, node_document
from ridgeway.web.errors import CannotTry
from ridgeway.web.node_metrics import NodeMetrics
from ridgeway.web.settings import HttpSettings
from ridgeway.web.site import Shown, served

# The coordinator serves every node's page from one thread, so a page asks it this often and waits no longer than that.
ASK_S = 2.0


class FederationGlimpse:
    """The federation as the coordinator last told it, asked for only while somebody looks."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._asked = float("-inf")
        self._known: dict[str, Any] | None = None
        self._known_unix_ms = 0
        self._missing: str | None = None
        self._asking = asyncio.Lock()

    async def document(self) -> dict[str, Any]:
        """The federation, or None; and if the coordinator did not tell just now, why, and when it last did."""
        if not is_member(self._agent.state):
            self._known, self._missing = None, "this node is no member of a federation; join with an invitation"
        else:
            async with self._asking:
                if time.monotonic() - self._asked >= ASK_S:
                    await self._ask()
                    self._asked = time.monotonic()
        as_of = iso_time(self._known_unix_ms) if self._missing and self._known else None
        return {"federation": self._known, "missing": self._missing, "federation_as_of": as_of}

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ASK_S):
                status = await self._agent.federation_status()
        except (RidgewayError, TimeoutError) as error:
            self._missing = str(error) or "the coordinator does not answer; check that it runs"
            return
        self._known, self._known_unix_ms = federation_document(status), time.time_ns() // 1_000_000
        self._missing = None


class NodePage:
    """The status page and metrics of one node.

    Attributes:
        metrics: hears what the node does.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self.metrics = NodeMetrics()

    @asynccontextmanager
    async def served(self, agent: Agent, status: Callable[[], m.NodeStatus]) -> AsyncIterator[str]:
        """Serve while the block runs; gives the URL.

        Raises:
            BadHttpSettings: the address is taken, or certificate and key cannot be used.
        """
        glimpse = FederationGlimpse(agent)

        async def document() -> dict[str, Any]:
            seen = await glimpse.document()
            trials = seen["federation"]["trials"] if seen["federation"] else []
            return {
                "role": "node",
                "node": node_document(status()),
                "routers": self.metrics.routers.document(trials),
            } | seen

        async def metrics() -> bytes:
            return self.metrics.exposition_of(status())

        async def try_prompt(prompt: str) -> dict[str, Any]:
            return await asyncio.to_thread(tried, agent.routers, prompt)

        def unready() -> str:
            return "" if agent.routers.router else "no router has arrived yet"

        async with served(self._settings, Shown(document, metrics, unready, try_prompt)) as url:
            yield url


def tried(routers: RouterStore, prompt: str) -> dict[str, Any]:
    """A decision about a prompt and why, from the router at hand; the prompt is kept nowhere. Blocks.

    Raises:
        CannotTry: there is no router, or the prompt says nothing to it.
    """
    try:
        explanation = explain(routers.require(), prompt)
    except RidgewayError as error:
        raise CannotTry(str(error)) from error
    return decision_document(explanation.decision) | {"explanation": explanation_document(explanation)}
