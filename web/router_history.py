"""The router versions that went by while this process ran, with what the hold-outs say of each."""

from collections.abc import Iterable, Mapping
from typing import Any

# As many as the coordinator keeps the trials of.
VERSIONS_KEPT = 20


class RouterHistory:
    """The newest router versions."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[str, Any]] = {}

    def add(self, version: int, sum_digest: bytes, published: str | None) -> None:
        """A version is out."""
        self._seen[version] = {"sum_digest": sum_digest.hex(), "published": published}
        for old in sorted(self._seen)[:-VERSIONS_KEPT]:
            del self._seen[old]

    def document(self, trials: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Every version that was seen or tried, oldest first; what is not known of one is None.

        Args:
            trials: see `trial_document`.
        """
        tried = {trial["router_version"]: trial for trial in trials}
        unknown = {"sum_digest": None, "published": None}
        return [
            {"version": version}
            | self._seen.get(version, unknown)
            | {key: tried.get(version, {}).get(key) for key in ("prompts", "balanced_accuracy")}
            for version in sorted(self._seen.keys() | tried.keys())[-VERSIONS_KEPT:]
        ]
