"""Print pip constraints that hold every direct dependency at the lower bound in pyproject.toml."""

import re
import tomllib
from pathlib import Path

REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(\[[a-z]+\])?>=(?P<version>[0-9.]+)")


def lowest(pyproject: Path) -> list[str]:
    """One `name==version` for each requirement `name>=version` of the project and its test extras."""
    project = tomllib.loads(pyproject.read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = project["dependencies"] + [
        name
        for extra in ("test", "parquet", "compare", "plot", "gateway", "http", "otel", "dp", "postgres", "dask")
        for name in extras[extra]
    ]
    return [f"{match['name']}=={match['version']}" for match in map(REQUIREMENT.fullmatch, requirements) if match]


if __name__ == "__main__":
    print("\n".join(lowest(Path(__file__).parents[1] / "pyproject.toml")))
