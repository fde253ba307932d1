"""`ridgeway demo --peers`: six processes, one late, one killed, one gone; and all hold the same bits."""

import json
import subprocess
import sys


def test_the_demo_of_peers_is_sound() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ridgeway.cli.main", "demo", "--peers", "--json"],
        capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    story = json.loads(done.stdout)
    assert story["sound"]
    assert [len(agreement["sums"]) for agreement in story["agreements"]] == [5, 6, 5, 6, 5]
    assert set(story["exit_codes"].values()) == {0}
    # Each agreement is about other contributions, but for the return of the node that was killed.
    digests = [agreement["plain_digest"] for agreement in story["agreements"]]
    assert digests[2] == digests[3]
    assert len(set(digests)) == 4
