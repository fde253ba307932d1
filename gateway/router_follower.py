"""Keeps the gateway's router the newest one in the node's data directory."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from ridgeway.errors import RidgewayError
from ridgeway.fallback import NOBODY, BadFallback
from ridgeway.gateway.api_error import NoRouterYet
from ridgeway.gateway.catalogue import listed_name
from ridgeway.gateway.choice import Chooser, Policy
from ridgeway.node.router_reader import RouterReader
from ridgeway.node.router_store import NoRouter

_log = logging.getLogger("ridgeway.gateway")

# A router changes when owners come and go; one look costs microseconds.
LOOK_S = 0.5


class RouterFollower:
    """Looks whether the daemon has written another router, and takes it.

    Raises:
        DataDirectoryError: this is no node's directory.
    """

    def __init__(self, data_dir: Path, policy: Policy) -> None:
        self._reader = RouterReader(data_dir)
        self._policy = policy
        self._chooser: Chooser | None = None

    @property
    def chooser(self) -> Chooser:
        """Chooses with the newest router.

        Raises:
            NoRouterYet: none has arrived.
        """
        if self._chooser is None:
            raise NoRouterYet("no router has arrived yet; run `ridgeway node` beside the gateway", retry_after_s=5)
        return self._chooser

    def load(self) -> None:
        """Take the router at hand, if there is one. Blocks.

        Raises:
            NotJoined, BadRouterArtifact, ForeignRouter, EmbedderError: it cannot be used.
            BadFallback: nobody serves what is named as the fallback.
        """
        try:
            self._take(Chooser(self._reader.read(), self._policy))
        except NoRouter as error:
            _log.warning("%s", error)

    async def follow(self) -> None:
        """Take every newer router, for ever; one that cannot be used leaves the present one where it is."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._reader.changed():
                try:
                    self._take(await asyncio.to_thread(self._newest))
                except RidgewayError as error:
                    _log.warning("the router on disk is of no use: %s", error)

    def _newest(self) -> Chooser:
        router = self._reader.read()
        try:
            return Chooser(router, self._policy)
        except BadFallback as error:
            _log.warning("%s; until somebody does, unsure prompts are refused", error)
            return Chooser(router, replace(self._policy, fallback=NOBODY))

    def _take(self, chooser: Chooser) -> None:
        self._chooser = chooser
        experts = ", ".join(listed_name(expert) for expert in chooser.catalogue.left_out)
        if experts:
            _log.warning("left out, since they would be asked without encryption (see --allow-http): %s", experts)
        _log.info("router %d is here", chooser.version)
