"""What the owners' private hold-outs say of the routers: counts as they come, a verdict for each router version."""

import logging
from collections.abc import Set as AbstractSet

import numpy as np
import numpy.typing as npt

from ridgeway.coordinator.ledger import Ledger
from ridgeway.manifest import Manifest
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.proto.messages import TrialReport
from ridgeway.proto.trial_report import from_message
from ridgeway.trial import BadTrial, Counts, TrialSum, Verdict, judge, vector_length, ways_to_decide

_log = logging.getLogger("ridgeway.coordinator")

# Router versions whose trials are kept, so that `status` can show how accuracy went.
VERSIONS_KEPT = 20


class Trials:
    """The trials of the newest router versions, as the ledger holds them.

    Attributes:
        edition: grows with every trial that says something new.
    """

    def __init__(self, ledger: Ledger, manifest: Manifest) -> None:
        self._ledger = ledger
        self._manifest = manifest
        self._ways = len(ways_to_decide(manifest))
        self._counts: dict[int, dict[str, dict[str, list[Counts]]]] = {}
        self._domains: dict[int, tuple[str, ...]] = {}
        self._verdicts: dict[int, Verdict] = {}
        for version, domains, counts in ledger.masked_trials():
            self._keep_sum(version, domains, np.frombuffer(counts, dtype="<i8"))
        for version, owner, report in ledger.trials():
            try:
                self._keep(version, owner, decode(TrialReport, report))
            except (BadTrial, MalformedMessage) as error:
                # Written by a release that counted otherwise; the next router is tried again anyway.
                _log.warning("the trial of router %d by %s is left out: %s", version, owner, error)

    @property
    def edition(self) -> int:
        """How many trials said something new, ever."""
        return self._ledger.edition

    def take(self, owner: str, contributed: AbstractSet[str], report: TrialReport) -> None:
        """Write an owner's trial of a router version; it replaces the owner's earlier one.

        Raises:
            BadTrial: no trial of that router gives these counts, or the owner contributes no such domain.
        """
        trials = from_message(report, self._ways)
        foreign = trials.keys() - contributed
        if foreign:
            raise BadTrial(f"{owner} does not contribute to {min(foreign)!r}, so it has no hold-out of it")
        if self._domains.get(report.router_version, report.router_domains) != report.router_domains:
            raise BadTrial("a trial names other domains than this router has; try the router again")
        self._ledger.put_trial(report.router_version, owner, encode(report), VERSIONS_KEPT)
        self._keep(report.router_version, owner, report)

    def wanted(self, version: int) -> int:
        """The version if no masked trial of it was committed yet, otherwise 0."""
        return 0 if version in self._verdicts else version

    def vector_length(self, domains: int) -> int:
        """Numbers in the vector of a masked trial of a router with so many domains."""
        return vector_length(self._ways, domains)

    def take_sum(self, version: int, domains: tuple[str, ...], counts: npt.NDArray[np.int64]) -> None:
        """Write what a masked round says of a router version.

        Raises:
            BadTrial: no trials add up to these counts; nothing was written.
        """
        TrialSum.from_vector(self._ways, len(domains), counts)
        self._ledger.put_masked_trial(version, domains, counts.astype("<i8").tobytes(), VERSIONS_KEPT)
        self._keep_sum(version, domains, counts)

    def _keep_sum(self, version: int, domains: tuple[str, ...], counts: npt.NDArray[np.int64]) -> None:
        try:
            total = TrialSum.from_vector(self._ways, len(domains), counts)
        except BadTrial as error:
            _log.warning("the trial of router %d is left out: %s", version, error)
            return
        self._verdicts[version] = judge(self._manifest, domains, total)
        self._forget_old()

    def _forget_old(self) -> None:
        for old in sorted(self._verdicts.keys() | self._counts.keys())[:-VERSIONS_KEPT]:
            for kept in (self._counts, self._domains, self._verdicts):
                kept.pop(old, None)

    def _keep(self, version: int, owner: str, report: TrialReport) -> None:
        trials = from_message(report, self._ways)
        self._domains[version] = report.router_domains
        self._counts.setdefault(version, {})[owner] = trials
        self._verdicts.pop(version, None)
        self._forget_old()

    def verdict(self, version: int) -> Verdict | None:
        """What all hold-outs say of one version; None without a trial."""
        if version not in self._verdicts:
            if version not in self._counts:
                return None
            trials = list(self._counts[version].values())
            total = TrialSum.of(self._ways, self._domains[version], trials)
            self._verdicts[version] = judge(self._manifest, self._domains[version], total)
        return self._verdicts[version]

    def newest(self, limit: int = VERSIONS_KEPT) -> list[tuple[int, Verdict]]:
        """The newest versions with a trial and what is said of them, newest first."""
        return [
            (version, verdict)
            for version in sorted(self._counts.keys() | self._verdicts.keys(), reverse=True)[:limit]
            if (verdict := self.verdict(version))
        ]
