"""A trial between the counts that the core makes and the message that carries them."""

from collections.abc import Mapping, Sequence

import numpy as np

from ridgeway.proto import messages as m
from ridgeway.trial import CONFIDENCE_SHAPE, BadTrial, Counts

# Counts beyond this are no hold-out; it keeps sums over thousands of owners inside int64.
_COUNT_MAX = 1 << 40


def to_message(version: int, router_domains: tuple[str, ...], trials: Mapping[str, Sequence[Counts]]) -> m.TrialReport:
    """The report of an owner's trials, by domain, of one router version."""
    return m.TrialReport(
        version,
        router_domains,
        tuple(
            m.DomainTrial(
                domain,
                tuple(
                    m.TrialCounts(tuple(counts.chosen.tolist()), tuple(counts.confidence.ravel().tolist()))
                    for counts in ways
                ),
            )
            for domain, ways in sorted(trials.items())
        ),
    )


def from_message(report: m.TrialReport, ways: int) -> dict[str, list[Counts]]:
    """An owner's trials by domain, checked.

    Args:
        report: as it came.
        ways: how many ways to decide the manifest leaves open.

    Raises:
        BadTrial: no trial of this router gives these counts.
    """
    trials: dict[str, list[Counts]] = {}
    for trial in report.domains:
        if trial.domain not in report.router_domains or trial.domain in trials:
            raise BadTrial(f"a trial names {trial.domain[:80]!r}, which the router does not know or which came before")
        if len(trial.ways) != ways:
            raise BadTrial(f"a trial has {len(trial.ways)} ways to decide, this federation {ways}; upgrade the node")
        trials[trial.domain] = [_counts(counts, len(report.router_domains)) for counts in trial.ways]
    return trials


def _counts(message: m.TrialCounts, domains: int) -> Counts:
    if max((*message.chosen, *message.confidence), default=0) > _COUNT_MAX:
        raise BadTrial("a trial counts more prompts than any hold-out has; try the router again")
    confidence = np.array(message.confidence, dtype=np.int64)
    shaped = confidence.reshape(CONFIDENCE_SHAPE) if confidence.size == np.prod(CONFIDENCE_SHAPE) else confidence
    counts = Counts(np.array(message.chosen, dtype=np.int64), shaped)
    counts.check(domains)
    return counts
