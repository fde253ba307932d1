"""A federation of real node processes over one's own prompts: one owner for each DOMAIN.jsonl, joining one by one.

Masking is off, so that owners can join one after another. The test prompts are routed by a node's own service. Prints
how long each join took, from the invitation to the commit and to the moment when every node had the new router, and the
accuracy.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from ridgeway.cli.evaluate import evaluation_document, print_evaluation
from ridgeway.cli.local_federation import Joined, LocalFederation
from ridgeway.evaluation import Evaluation, evaluate
from ridgeway.manifest import Manifest
from ridgeway.node.prompts import PromptSource, read_prompts
from ridgeway.proto.status_document import trial_document


async def run(
    root: Path, domains: list[str], train: Path, test: Path, embedder: str, options: list[str]
) -> dict[str, Any]:
    """Join every domain, route every test prompt, let the last owner leave; what was measured."""
    federation = LocalFederation(root, embedder, ["--masking", "off", *options])
    try:
        await federation.start([f"owner-{domain}" for domain in domains])
        joins = [
            await federation.join(f"owner-{domain}", {domain: train / f"{domain}.jsonl"}, lambda _: None)
            for domain in domains
        ]
        # Under differential privacy nothing is held out.
        private = Manifest.from_json((await federation.status()).manifest_json).privacy
        trial = None if private else await federation.tried(joins[-1].router_version)
        outcome, prompts_per_s = await _route(federation, test, domains)
        status = await federation.leave(joins[-1].owner)
    finally:
        codes = await federation.stop()
    return {
        "joins": joins,
        "evaluation": outcome,
        "prompts_per_s": prompts_per_s,
        "trial": trial_document(trial) if trial else None,
        "restored": status.sum_digest.hex() == joins[-2].sum_digest,
        "exit_codes": codes,
    }


async def _route(federation: LocalFederation, test: Path, domains: list[str]) -> tuple[Evaluation, float]:
    held_out = [(d, prompt) for d in domains for prompt in read_prompts(PromptSource(str(test / f"{d}.jsonl")))]
    started = time.perf_counter()
    entries = await federation.route(federation.members[0], [prompt for _, prompt in held_out])
    seconds = time.perf_counter() - started
    chosen = [entry.decision.domain if entry.decision else None for entry in entries]
    return evaluate([domain for domain, _ in held_out], chosen, domains), len(held_out) / seconds


def report(measured: dict[str, Any]) -> None:
    """Print it for people."""
    print(f"{'owner':<24}{'rows':>12}{'committed s':>14}{'everywhere s':>14}{'router':>8}")
    joined: Joined
    for joined in measured["joins"]:
        timings = f"{joined.committed_s:>14.2f}{joined.everywhere_s:>14.2f}"
        print(f"{joined.owner:<24}{joined.rows:>12,}{timings}{joined.router_version:>8}")
    print_evaluation(measured["evaluation"])
    trial = measured["trial"]
    if trial:
        print(
            f"on the owners' {trial['prompts']:,} prompts held out: balanced accuracy {trial['balanced_accuracy']:.2%},"
            f" expected calibration error {trial['expected_calibration_error']:.2%}"
        )
    print(f"{measured['prompts_per_s']:,.0f} prompts a second through one node's service")
    print(f"sum restored to the bit after the last owner left: {measured['restored']}")
    print(f"exit codes: {measured['exit_codes']}")


def main() -> None:
    """Parse the command line, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="a directory with DOMAIN.jsonl for each owner")
    parser.add_argument("--test", type=Path, required=True, help="a directory with the same names, held out")
    parser.add_argument("--embedder", default="builtin", help="builtin, a model directory, or a model id")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("options", nargs="*", help="further options of `ridgeway coordinator`, after --")
    arguments = parser.parse_args()
    embedder = arguments.embedder
    if Path(embedder).is_dir():
        embedder = str(Path(embedder).resolve())
    with tempfile.TemporaryDirectory(prefix="ridgeway-") as root:
        domains = sorted(path.stem for path in arguments.train.glob("*.jsonl"))
        measured = asyncio.run(run(Path(root), domains, arguments.train, arguments.test, embedder, arguments.options))
    if arguments.json:
        document = measured | evaluation_document(measured["evaluation"])
        document["joins"] = [
            {"owner": j.owner, "rows": j.rows, "committed_s": j.committed_s, "everywhere_s": j.everywhere_s}
            for j in measured["joins"]
        ]
        del document["evaluation"]
        print(json.dumps(document))
    else:
        report(measured)


if __name__ == "__main__":
    main()
