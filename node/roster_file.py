"""`roster.txt` in a node's data directory: the only owners that it takes part in rounds with.

One owner a line: its name and the SHA-256 of its identity key in hexadecimal, as `ridgeway status` shows it at that
owner's node. Empty lines and lines that begin with # are left out.
"""

from ridgeway.errors import RidgewayError
from ridgeway.runtime.data_dir import DataDirectory

ROSTER_FILE = "roster.txt"
_FINGERPRINT_BYTES = 32


class BadRoster(RidgewayError):
    """A roster that cannot be read."""


def read_roster(directory: DataDirectory) -> dict[str, bytes] | None:
    """Owners' names and fingerprints; None without a file, which means that new owners are believed.

    Raises:
        BadRoster: a line is no name and fingerprint, or an owner stands in two.
    """
    content = directory.read(ROSTER_FILE)
    if content is None:
        return None
    roster: dict[str, bytes] = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        owner, digest = words[0], _digest(words[1:])
        if digest is None or owner in roster:
            raise BadRoster(
                f"line {number} of {ROSTER_FILE} must be an owner, once, and the SHA-256 of its identity key"
            )
        roster[owner] = digest
    return roster


def _digest(words: list[str]) -> bytes | None:
    try:
        digest = bytes.fromhex(words[0].removeprefix("sha256:"))
    except (IndexError, ValueError):
        return None
    return digest if len(words) == 1 and len(digest) == _FINGERPRINT_BYTES else None
