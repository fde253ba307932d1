"""Generate the committed protobuf stubs, or with --check compare them with what is committed.

The generator's version is pinned in pyproject.toml: generated code needs at least the protobuf runtime of its
generator, so it is made with the oldest that Ridgeway supports.
"""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = "ridgeway/proto/ridgeway.proto"


def generate(out: Path) -> list[Path]:
    """Run the generator into a folder; the generated files."""
    include = resources.files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-Iridgeway/proto={ROOT / 'proto'}", f"-I{include}"]
    arguments += [f"--python_out={out}", f"--pyi_out={out}", PROTO]
    if protoc.main(arguments) != 0:
        sys.exit("the generator failed; its message stands above")
    return sorted((out / "ridgeway" / "proto").iterdir())


def main() -> None:
    """Write the stubs, or fail if those committed are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed stub is stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        stale = []
        for made in generate(Path(folder)):
            committed = ROOT / "proto" / made.name
            if not committed.exists() or committed.read_bytes() != made.read_bytes():
                stale.append(made.name)
                if not check:
                    committed.write_bytes(made.read_bytes())
    if check and stale:
        sys.exit(f"stale stubs: {', '.join(stale)}; run python scripts/generate_stubs.py")
    print("stubs are current" if not stale else f"wrote {', '.join(stale)}")


if __name__ == "__main__":
    main()
