"""Statistics that were made elsewhere and brought to the node: kept by their content, and used in place of prompts."""

import hashlib
from pathlib import Path

from ridgeway.node.prompts import PromptSource
from ridgeway.node.prompts.source import STATISTICS
from ridgeway.node.statistics_file import DomainSums
from ridgeway.runtime.data_dir import write_durably


class BroughtStatistics:
    """The files of one node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, brought: DomainSums) -> PromptSource:
        """Keep statistics, durably; the source that names them from now on."""
        data = brought.to_bytes()
        name = hashlib.sha256(data).hexdigest()
        write_durably(self._folder / name, data)
        return PromptSource(STATISTICS + name)

    def read(self, source: PromptSource) -> DomainSums:
        """What a source names.

        Raises:
            BadStatisticsFile: it is gone or damaged.
        """
        return DomainSums.read(self._folder / source.location.removeprefix(STATISTICS))

    def keep_only(self, sources: dict[str, PromptSource]) -> None:
        """Remove what no source names any more."""
        named = {source.location.removeprefix(STATISTICS) for source in sources.values()}
        for path in self._folder.iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)
