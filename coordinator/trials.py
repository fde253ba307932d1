"""What the owners' private hold-outs say of the routers: counts as they come, a verdict for each router version."""

import logging
from collections.abc import Set as AbstractSet

from ridgeway.coordinator.ledger import Ledger
from ridgeway.manifest import Manifest
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.proto.messages import TrialReport
from ridgeway.proto.trial_report import from_message
from ridgeway.trial import BadTrial, Counts, Verdict, judge, ways_to_decide

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

    def _keep(self, version: int, owner: str, report: TrialReport) -> None:
        trials = from_message(report, self._ways)
        self._domains[version] = report.router_domains
        self._counts.setdefault(version, {})[owner] = trials
        self._verdicts.pop(version, None)
        for old in sorted(self._counts)[:-VERSIONS_KEPT]:
            for kept in (self._counts, self._domains, self._verdicts):
                kept.pop(old, None)

    def verdict(self, version: int) -> Verdict | None:
        """What all hold-outs say of one version; None without a trial."""
        if version not in self._counts:
            return None
        if version not in self._verdicts:
            trials = list(self._counts[version].values())
            self._verdicts[version] = judge(self._manifest, self._domains[version], trials)
        return self._verdicts[version]

    def newest(self, limit: int = VERSIONS_KEPT) -> list[tuple[int, Verdict]]:
        """The newest versions with a trial and what is said of them, newest first."""
        return [
            (version, verdict)
            for version in sorted(self._counts, reverse=True)[:limit]
            if (verdict := self.verdict(version))
        ]
