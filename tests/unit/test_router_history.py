"""The router versions that a page shows: the newest ones, and no more however long a daemon runs."""

from ridgeway.web.router_history import VERSIONS_KEPT, RouterHistory


def test_only_the_newest_versions_are_kept_and_shown() -> None:
    history = RouterHistory()
    for version in range(1, 10 * VERSIONS_KEPT + 1):
        history.add(version, bytes([version]), f"at {version}")
    newest = list(range(9 * VERSIONS_KEPT + 1, 10 * VERSIONS_KEPT + 1))
    assert list(history._seen) == newest
    # Trials of versions that went by before this process came do not make the list longer.
    trials = [{"router_version": version, "prompts": 7, "balanced_accuracy": 0.5} for version in range(1, 400)]
    shown = history.document(trials)
    assert len(shown) == VERSIONS_KEPT
    assert [entry["version"] for entry in shown] == list(range(400 - VERSIONS_KEPT, 400))
    assert [entry["version"] for entry in history.document([])] == newest
    assert history.document([])[-1]["published"] == f"at {newest[-1]}"
