"""Dashboard, alert rules and documentation name metrics that exist, and the documentation names all of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ridgeway.proto import messages as m
from ridgeway.web.coordinator_metrics import CoordinatorMetrics
from ridgeway.web.node_metrics import NodeMetrics

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "ridgeway.json"
RULES = ROOT / "deploy" / "prometheus" / "ridgeway.rules.yml"
PAGE = ROOT / "docs" / "observability.md"
NAME = re.compile(r"\b(?:ridgeway|process)_[a-z_]+\b")
ABOUT_A_METRIC = ("_bucket", "_count", "_sum", "_created")


def exposed() -> set[str]:
    """The names of all samples that a coordinator or a node can have."""
    families = [family for metrics in (CoordinatorMetrics(), NodeMetrics()) for family in metrics.registry.collect()]
    plain = {f"{family.name}{_suffix(family.type)}" for family in families}
    return plain | {f"{name}{part}" for name in plain for part in ABOUT_A_METRIC}


def _suffix(kind: str) -> str:
    return {"counter": "_total", "info": "_info"}.get(kind, "")


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document["panels"]
    for panel in document["panels"]:
        yield from panel.get("panels", [])


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in panels(dashboard) for target in panel.get("targets", [])]
    asked += [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]
    asked += [note["expr"] for note in dashboard["annotations"]["list"]]
    assert len(asked) > 30
    assert set(NAME.findall(" ".join(asked))) - exposed() == set()


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    shown = list(panels(dashboard))
    assert len({panel["id"] for panel in shown}) == len(shown)
    assert {panel["datasource"]["uid"] for panel in shown if "datasource" in panel} == {"${datasource}"}
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in shown):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


def test_the_alert_rules_ask_for_metrics_that_exist_and_say_what_to_do() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert set(NAME.findall(rule["expr"])) - exposed() == set(), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_metric_is_documented_and_no_other() -> None:
    named = set(re.findall(r"^\| `(ridgeway_[a-z_]+)`", PAGE.read_text(), re.MULTILINE))
    families = [family for metrics in (CoordinatorMetrics(), NodeMetrics()) for family in metrics.registry.collect()]
    assert named == {f"{f.name}{_suffix(f.type)}" for f in families if f.name.startswith("ridgeway_")}


def test_two_daemons_in_one_process_count_apart() -> None:
    first, second = NodeMetrics(), NodeMetrics()
    first.routed("law", 0.9, fallback=False)
    status = m.NodeStatus()
    assert b'ridgeway_route_decisions_total{domain="law",fallback="false"} 1.0' in first.exposition_of(status)
    assert b"ridgeway_route_decisions_total{" not in second.exposition_of(status)


@pytest.mark.parametrize("name", ['law"} 1\nevil 1', "back\\slash", "日本"])
def test_a_name_cannot_break_out_of_its_label(name: str) -> None:
    metrics = NodeMetrics()
    metrics.routed(name, 0.5, fallback=True)
    lines = metrics.exposition_of(m.NodeStatus()).decode().splitlines()
    assert all(line.startswith(("#", "ridgeway_", "process_")) for line in lines)
