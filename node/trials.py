"""Try a new router on the node's own hold-outs, and report the counts where they need no mask."""

import asyncio

from ridgeway.feature_map import Router
from ridgeway.manifest import Manifest
from ridgeway.node.hold_outs import HoldOuts
from ridgeway.node.link import Link
from ridgeway.proto import rpc
from ridgeway.proto.trial_report import to_message
from ridgeway.trial import Counts, try_router


async def try_on_hold_outs(
    router: Router, manifest: Manifest, hold_outs: HoldOuts, payloads: dict[str, str]
) -> dict[str, list[Counts]]:
    """How a router does on what was held out of these payloads, by domain, one entry for each way to decide."""
    return await asyncio.to_thread(_try, router, manifest, hold_outs, payloads)


async def report_trial(link: Link, router: Router, counts: dict[str, list[Counts]]) -> None:
    """Bring the coordinator our counts.

    Raises:
        Unreachable, Refused: they did not arrive.
    """
    await link.call(rpc.REPORT_TRIAL, to_message(router.router.version, router.router.domains, counts))


def _try(router: Router, manifest: Manifest, hold_outs: HoldOuts, payloads: dict[str, str]) -> dict[str, list[Counts]]:
    made: dict[str, list[Counts]] = {}
    for domain, payload in payloads.items():
        prompts = hold_outs.read(payload)
        if prompts and domain in router.router.domains:
            made[domain] = try_router(router, manifest, domain, prompts)
    return made
