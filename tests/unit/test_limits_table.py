"""docs/limits.md says what the code does: every value, every bound, every test."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("coordinator", "rounds", "runtime", "node", "gateway", "web", "embedders", "proto")
ROW = re.compile(r"^\| (?P<name>[^|]+) \| (?P<value>[^|]+) \| `(?P<where>[^`]+)` \| [^|]* \| (?P<test>[^|]+) \|$")
BOUND = re.compile(
    r".*(_MAX|_AT_ONCE|_PER_[A-Z]+|_HELD|_KEPT|_REMEMBERED|WAIT_S|TIMEOUT_S|_BEHIND)|LARGEST_.*|"
    r"CONNECTIONS_.*|(BODY|SEND|CONNECT|TURN|GRACE|IDLE|KEEP_ALIVE|SESSION)_S|.*(IDLE|HANDSHAKE|KEEPALIVE)_MS"
)
# Constants that look like bounds and bound nothing that anybody else could take up.
OF_A_FORMAT = {"RENEWAL_PAUSE_S"}


def rows() -> list[dict[str, str]]:
    lines = (ROOT / "docs" / "limits.md").read_text().splitlines()
    return [match.groupdict() for match in map(ROW.match, lines) if match]


def constants(path: Path) -> dict[str, object]:
    """What a module names in capitals, if it can be computed from literals and other names of its own."""
    known: dict[str, object] = {"timedelta": timedelta}
    for node in ast.parse(path.read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id.isupper() and getattr(node, "value", None) is not None:
            with_value: ast.expr = node.value  # type: ignore[attr-defined]
            value = computed(with_value, known)
            if value is not None:
                known[target.id] = value
    return known


def computed(node: ast.expr, known: dict[str, object]) -> object:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left, op, right):
            a, b = computed(left, known), computed(right, known)
            if isinstance(a, int | float) and isinstance(b, int | float):
                return (
                    {ast.Mult: a * b, ast.Sub: a - b}.get(type(op)) if type(op) is not ast.LShift else int(a) << int(b)
                )
        case ast.Call(ast.Name("timedelta"), keywords=[ast.keyword("days", ast.Constant(int() as days))]):
            return days
        case ast.Name("HEADROOM_BITS"):
            return 16
        case ast.Name(name):
            return known.get(name)
    return None


def stated(value: str) -> float:
    base, _, power = value.replace(",", "").partition("^")
    return float(base) ** float(power) if power else float(base)


def bounds() -> Iterator[str]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "_pb2" not in path.name:
                for name in constants(path):
                    if BOUND.fullmatch(name) and name not in OF_A_FORMAT:
                        yield f"{path.relative_to(ROOT)}:{name}"


def test_there_is_a_table() -> None:
    assert len(rows()) > 60
    assert len({row["where"] for row in rows()}) == len(rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["where"])
def test_a_stated_value_is_the_code_s(row: dict[str, str]) -> None:
    path, _, name = row["where"].partition(":")
    assert constants(ROOT / path)[name] == stated(row["value"])


def test_every_bound_in_the_code_is_in_the_table() -> None:
    assert set(bounds()) - {row["where"] for row in rows()} == set()


def test_every_named_test_exists() -> None:
    defined = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    for row in rows():
        named = re.findall(r"`([^`]+)`", row["test"])
        assert named or row["test"].startswith("the same"), row
        for test in named:
            assert test in defined or (ROOT / test).is_file(), test
