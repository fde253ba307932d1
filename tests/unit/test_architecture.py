"""The borders of DESIGN section 4, read off the imports: arrows that must not exist, and purity."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "core",
    "backup",
    "baselines",
    "crypto",
    "proto",
    "protocol",
    "embedders",
    "engines",
    "runtime",
    "coordinator",
    "node",
    "gateway",
    "gossip",
    "peers",
    "roster",
    "rounds",
    "privacy",
    "cli",
    "samples",
    "secagg",
    "simulation",
    "web",
}

BOTH_DAEMONS = {
    "core", "crypto", "proto", "protocol", "secagg", "gossip", "embedders", "rounds", "runtime", "backup", "web",
    "privacy",
}  # fmt: skip

# What each folder may import of the others, besides itself.
ALLOWED = {
    "core": set(),
    "crypto": {"core"},
    "proto": {"core", "crypto"},
    "protocol": {"core", "crypto", "proto"},
    "secagg": {"core", "crypto", "proto"},
    "gossip": {"core", "crypto", "proto"},
    "embedders": {"core"},
    "privacy": {"core", "samples"},
    "runtime": {"core", "crypto"},
    "backup": {"core", "runtime"},
    "samples": {"core"},
    "web": {"core", "proto"},
    "coordinator": BOTH_DAEMONS,
    "node": BOTH_DAEMONS,
    "engines": {"core", "embedders", "node", "runtime"},
    "roster": {"core", "crypto", "proto", "gossip", "secagg"},
    "rounds": {"core", "crypto", "proto", "protocol", "secagg", "runtime"},
    "peers": BOTH_DAEMONS | {"roster", "node"},
    "gateway": {"core", "crypto", "proto", "embedders", "runtime", "node"},
    "baselines": {"core", "proto"},
    "cli": PACKAGES - {"cli", "simulation"},
    "simulation": PACKAGES - {"cli", "gateway", "simulation"},
}

# crypto knows of the core only how to fail and how numbers are encoded.
CRYPTO_MAY_SEE = {"ridgeway.errors", "ridgeway.fixed_point"}

# The page knows what a status says, and nothing of gRPC or of a database.
WEB_MAY_SEE = {"ridgeway.proto.messages", "ridgeway.proto.status_document"}
WEB_MUST_NOT_SEE = {"grpc", "sqlite3"}

# No socket, file, clock, thread or random number inside the mathematics and the protocols.
IMPURE = {
    "socket", "asyncio", "threading", "concurrent", "multiprocessing", "subprocess", "time", "random", "secrets",
    "grpc", "http", "urllib", "requests", "httpx", "sqlite3", "tempfile", "shutil", "huggingface_hub", "transformers",
}  # fmt: skip
PURE = ("core", "crypto", "protocol", "secagg", "gossip", "roster")
# What the gateway decides, apart from the shell that does its input and output.
GATEWAY_SHELL = {
    "daemon.py", "dispatch.py", "expert_keys.py", "http_service.py", "litellm_plugin.py", "router_follower.py",
    "upstream.py",
}  # fmt: skip

FORBIDDEN_EVERYWHERE = {"pickle", "dill", "cloudpickle", "marshal", "shelve"}


def sources(folder: str) -> Iterator[Path]:
    yield from (path for path in (ROOT / folder).rglob("*.py") if "_pb2" not in path.name)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute imports only"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


def folder_of(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "ridgeway":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in PACKAGES - {"core"} else "core"


@pytest.mark.parametrize("folder", sorted(PACKAGES))
def test_each_folder_imports_only_what_its_border_allows(folder: str) -> None:
    arrows = {
        f"{path.relative_to(ROOT)} -> {name}"
        for path in sources(folder)
        for name in imported(path)
        if (target := folder_of(name)) not in {None, folder} and target not in ALLOWED[folder]
    }
    assert not arrows


def test_crypto_sees_of_the_core_only_errors_and_fixed_point() -> None:
    seen = {
        name.rpartition(".")[0] for path in sources("crypto") for name in imported(path) if folder_of(name) == "core"
    }
    assert seen <= CRYPTO_MAY_SEE


def test_the_page_takes_plain_data_only() -> None:
    names = {name for path in sources("web") for name in imported(path)}
    wire = {name for name in names if folder_of(name) == "proto"}
    assert {seen for seen in wire if not any(seen.startswith(allowed) for allowed in WEB_MAY_SEE)} == set()
    assert not {name.split(".")[0] for name in names} & WEB_MUST_NOT_SEE


@pytest.mark.parametrize("folder", PURE)
def test_mathematics_and_protocols_are_pure(folder: str) -> None:
    impure = {
        f"{path.relative_to(ROOT)} -> {name}"
        for path in sources(folder)
        for name in imported(path)
        if (name.split(".")[0] in IMPURE and not name.startswith("urllib.parse"))
        or name in {"os.urandom", "numpy.random"}
    }
    assert not impure


def test_what_the_gateway_decides_is_pure() -> None:
    impure = {
        f"{path.name} -> {name}"
        for path in sources("gateway")
        if path.name not in GATEWAY_SHELL
        for name in imported(path)
        if name.split(".")[0] in IMPURE | {"aiohttp", "logging", "os"} and not name.startswith("urllib.parse")
    }
    assert not impure


@pytest.mark.parametrize("folder", PURE)
def test_pure_code_asks_no_clock_and_opens_no_file(folder: str) -> None:
    calls = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in {"open", "eval", "exec"})
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in {"now", "utcnow", "today", "urandom", "memmap"}
            )
        )
    }
    assert not calls


@pytest.mark.parametrize("folder", sorted(PACKAGES | {"scripts"}))
def test_nobody_unpickles_or_evaluates(folder: str) -> None:
    seen = {name.split(".")[0] for path in sources(folder) for name in imported(path)}
    evaluations = [
        f"{path}:{node.lineno}"
        for path in sources(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    assert not seen & FORBIDDEN_EVERYWHERE
    assert not evaluations


def test_only_the_codec_touches_generated_code() -> None:
    users = {
        str(path.relative_to(ROOT))
        for folder in PACKAGES
        for path in sources(folder)
        if any("_pb2" in name and "ridgeway" in name for name in imported(path))
    }
    assert users == {"proto/codec.py"}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for folder in PACKAGES | {"scripts"}
        for path in sources(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert not long


def test_every_package_folder_is_in_the_wheel() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        str(path.parent.relative_to(ROOT)) for folder in PACKAGES for path in (ROOT / folder).rglob("__init__.py")
    }
    mapped = {package: setuptools["package-dir"].get(package) for package in setuptools["packages"]}
    assert set(mapped.values()) == folders
