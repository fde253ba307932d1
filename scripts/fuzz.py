"""Fuzz one reader of bytes, guided by coverage: for nights, where the suite takes seconds.

    python scripts/fuzz.py TARGET [-max_total_time=3600 and other options of libFuzzer]
    python scripts/fuzz.py --list

Needs the extra `fuzz`. It begins with tests/fuzz/corpus/TARGET; what reaches new code goes to the folder --found, and
what breaks something to the present directory. Put that into the corpus once it is mended.
"""

import argparse
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
CORPUS = TESTS / "fuzz" / "corpus"
sys.path.insert(0, str(TESTS))


def fuzz(name: str, found: Path, options: list[str]) -> None:
    """Run Atheris on one target; it ends the process itself."""
    import atheris  # noqa: PLC0415 - an extra

    with atheris.instrument_imports(include=["ridgeway"]):
        from fuzz_targets import TARGETS, run  # noqa: PLC0415 - instrumented as it is imported

        import ridgeway  # noqa: F401, PLC0415 - before anything imports gRPC

    if name not in TARGETS:
        sys.exit(f"no target is called {name!r}; --list names them")
    folder = Path(tempfile.mkdtemp(prefix="ridgeway-fuzz-"))
    found.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], str(found), str(CORPUS / name), *options], lambda data: run(name, data, folder))
    atheris.Fuzz()


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="what reaches new code")
    arguments, options = parser.parse_known_args()
    if arguments.list or arguments.target is None:
        from fuzz_targets import TARGETS  # noqa: PLC0415 - only here

        import ridgeway  # noqa: F401, PLC0415 - before anything imports gRPC

        print("\n".join(sorted(TARGETS)))
        return
    fuzz(arguments.target, arguments.found / arguments.target, options)


if __name__ == "__main__":
    main()
