"""How long an owner's experts take to answer: the median of a few recent requests for their list of models.

Every OpenAI-compatible server answers GET URL/models, which costs no tokens. No key and no prompt is sent; a server
that wants a key answers 401 or 403 just as quickly, and that is timed too.
"""

import http.client
import statistics
import time
from collections import deque
from urllib.parse import urlsplit

TIMEOUT_S = 5.0
PROBES_KEPT = 5
# A change by less than this factor is not worth a new router edition for everyone.
CHANGE_TOLD = 1.5


def answer_ms(url: str) -> float | None:
    """Milliseconds until the expert's server answers; None if it does not, or with an error of its own. Blocks."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    started = time.perf_counter()
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/models", headers={"Connection": "close"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return (time.perf_counter() - started) * 1000 if status < http.client.INTERNAL_SERVER_ERROR else None


class Latencies:
    """The recent probes of each URL, and what the coordinator was told last."""

    def __init__(self) -> None:
        self._probes: dict[str, deque[float | None]] = {}

    def add(self, url: str, milliseconds: float | None) -> None:
        """Take in one probe; None is a failure."""
        self._probes.setdefault(url, deque(maxlen=PROBES_KEPT)).append(milliseconds)

    def median(self, url: str) -> float | None:
        """The median of the recent answers; None if more than half of the probes failed, or there is none."""
        probes = self._probes.get(url, deque())
        answered = [probe for probe in probes if probe is not None]
        return statistics.median(answered) if answered and 2 * len(answered) >= len(probes) else None


def worth_telling(told: float | None, now: float | None) -> bool:
    """Whether a latency has changed so much that everyone should know."""
    if told is None or now is None:
        return told is not now
    return max(told, now) > CHANGE_TOLD * min(told, now)
