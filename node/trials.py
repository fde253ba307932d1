"""Try a new router on the node's own hold-outs and report the counts."""

import asyncio

from ridgeway.feature_map import Router
from ridgeway.manifest import Manifest
from ridgeway.node.hold_outs import HoldOuts
from ridgeway.node.link import Link
from ridgeway.proto import rpc
from ridgeway.proto.trial_report import to_message
from ridgeway.trial import Counts, try_router


async def report_trial(
    link: Link, router: Router, manifest: Manifest, hold_outs: HoldOuts, payloads: dict[str, str]
) -> int:
    """Try a router on what was held out of these payloads, by domain; how many prompts were tried.

    Raises:
        Unreachable, Refused: the counts did not arrive.
    """
    trials = await asyncio.to_thread(_try, router, manifest, hold_outs, payloads)
    if not trials:
        return 0
    version, domains = router.router.version, router.router.domains
    await link.call(rpc.REPORT_TRIAL, to_message(version, domains, trials))
    return sum(int(ways[0].chosen.sum()) for ways in trials.values())


def _try(router: Router, manifest: Manifest, hold_outs: HoldOuts, payloads: dict[str, str]) -> dict[str, list[Counts]]:
    made: dict[str, list[Counts]] = {}
    for domain, payload in payloads.items():
        prompts = hold_outs.read(payload)
        if prompts and domain in router.router.domains:
            made[domain] = try_router(router, manifest, domain, prompts)
    return made
