"""Let Schemathesis make requests from docs/openapi against a running daemon, good and bad ones.

    python scripts/fuzz_http.py status-page http://127.0.0.1:8444
    python scripts/fuzz_http.py gateway http://127.0.0.1:7480/v1

Needs the extra `fuzz`. Every answer must be as the description says, and none may be a failure of the server. The
stream of events is left out, since it has no end.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

SPECIFICATIONS = Path(__file__).parents[1] / "docs" / "openapi"
# What the description allows may still be refused: the router may know no word of it, or the expert says no.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
ENDLESS = "/api/events"


def fuzz(service: str, url: str, examples: int, *options: str) -> int:
    """Run Schemathesis; 0 if it found nothing.

    Args:
        service: the name of a description.
        url: where it is served.
        examples: tried of each operation.
        options: more for Schemathesis.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", str(SPECIFICATIONS / f"{service}.yaml"), "--url", url),
        *("--checks", ",".join(CHECKS), "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing"),
        *("--exclude-path", ENDLESS, "--suppress-health-check", "all", "--max-redirects", "0", "--no-color"),
        *("--warnings", "off", "--generation-deterministic", *options),
    ]
    # It keeps what it found in its working directory.
    with tempfile.TemporaryDirectory(prefix="ridgeway-fuzz-") as folder:
        return subprocess.run(command, check=False, cwd=folder).returncode


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=sorted(path.stem for path in SPECIFICATIONS.glob("*.yaml")))
    parser.add_argument("url")
    parser.add_argument("--examples", type=int, default=500)
    arguments, options = parser.parse_known_args()
    sys.exit(fuzz(arguments.service, arguments.url, arguments.examples, *options))


if __name__ == "__main__":
    main()
