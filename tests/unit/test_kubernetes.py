"""The manifests: they fit Kubernetes's schemas, its strictest security, the settings and the image."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from backend.src.__main__ import COMMANDS
from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import environment_names, load, secret_names
from backend.src.config.settings import Role, ServerSettings
from backend.src.web.listener import GRACE_S
from backend.src.web.version import VERSION
from backend.src.wiring import STARTED

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "kubernetes"
SAMPLE = "secret.sample.yaml"
# the oldest version that clouds still support, and the newest known
VERSIONS = ("1.32", "1.37")
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))

Manifest = dict[str, Any]


def documents(name: str) -> list[Manifest]:
    # libyaml's: a tenth of the time
    return [document for document in yaml.load_all((FOLDER / name).read_text(), yaml.CSafeLoader) if document]


@functools.cache
def manifests() -> list[Manifest]:
    return [document for name in kustomization()["resources"] for document in documents(name)]


def kustomization() -> Manifest:
    return documents("kustomization.yaml")[0]


def of_kind(kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def pods() -> dict[str, Manifest]:
    return {
        name: one["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for name, one in of_kind(kind).items()
    }


def configured() -> dict[str, str]:
    data: dict[str, str] = of_kind("ConfigMap")["larder"]["data"]
    return data


@pytest.mark.parametrize("name", [name for name in FILES if name != "kustomization.yaml"])
def test_it_fits_the_schema(name: str) -> None:
    for document in documents(name):
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)


def test_the_schema_would_notice_a_mistake() -> None:
    wrong = documents("api.yaml")[0]
    wrong["spec"]["replicsa"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_compose_and_manifests_are_tidy() -> None:
    command: list[str | Path] = [Path(sys.executable).parent / "yamllint", "--strict"]
    command += ["--config-file", ROOT / "docker" / "yamllint.yaml", ROOT / "docker-compose.yaml", ROOT / "docker"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_file_but_the_sample_is_applied() -> None:
    assert set(kustomization()["resources"]) == set(FILES) - {"kustomization.yaml", SAMPLE}
    assert kustomization()["images"][0]["newTag"] == VERSION


def test_each_role_is_a_deployment_and_one_worker_is_enough() -> None:
    roles = {pod["containers"][0]["env"][0]["value"]: name for name, pod in pods().items() if "migrate" not in name}
    assert {Role(role) for role in roles} == set(STARTED) - {Role.ALL}
    assert {name: of_kind("Deployment")[name]["spec"]["replicas"] for name in roles.values()} == {
        "larder-api": 2,
        "larder-monitor": 2,
        "larder-worker": 1,
    }


def test_pods_are_restricted() -> None:
    """What the restricted Pod Security Standard asks for, and a root file system that is read-only."""
    for name, pod in pods().items():
        container = pod["containers"][0]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert pod["automountServiceAccountToken"] is False, name
        assert container["resources"]["requests"] and container["resources"]["limits"]["memory"], name


def test_services_named_like_our_variables_do_no_harm() -> None:
    """A service `redis` makes REDIS_PORT=tcp://... in every pod of its namespace, unless that is switched off."""
    with pytest.raises(ConfigurationError):
        load(None, {"REDIS_PORT": "tcp://10.0.0.1:6379"})
    assert all(pod["enableServiceLinks"] is False for pod in pods().values())


def test_the_configuration_is_one_that_processes_accept(tmp_path: Path) -> None:
    data = configured()
    files = {name: tmp_path / Path(data[name]).name for name in data if name.endswith("_FILE")}
    assert set(data) <= set(environment_names()) | {f"{name}_FILE" for name in secret_names()}
    assert set(files) == {f"{name}_FILE" for name in ("SECRET_KEY", "DB_PASSWORD", "REDIS_PASSWORD", "BUCKET_PASSWORD")}
    for path in files.values():
        path.write_text("0123456789" * 4)
    for role in set(Role) - {Role.ALL}:
        settings = load(None, {**data, **{name: str(path) for name, path in files.items()}, "ROLE": role.value})
        assert settings.server.role is role and not settings.any_embedded
    assert all(Path(data[name]).parent == Path(mounts()["secrets"]) for name in files)


def test_the_sample_secret_names_every_file_and_no_process_accepts_it(tmp_path: Path) -> None:
    sample = documents(SAMPLE)[0]["stringData"]
    assert set(sample) == {Path(value).name for name, value in configured().items() if name.endswith("_FILE")}
    for name, value in sample.items():
        path = tmp_path / name
        path.write_text(value)
        with pytest.raises(ConfigurationError, match="placeholder"):
            load(None, {f"{name.upper()}_FILE": str(path)})


def test_what_is_written_to_is_mounted() -> None:
    assert {configured()["DATA_DIR"], "/tmp"} <= set(mounts().values())
    for name, pod in pods().items():
        used = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert used == {volume["name"] for volume in pod["volumes"]}, name


def mounts() -> dict[str, str]:
    pod = pods()["larder-api"]
    return {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}


def test_probes_ask_what_there_is() -> None:
    for name, deployment in of_kind("Deployment").items():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        asked = {
            probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert list(asked.values()) == ["/health/live", "/health/live", "/health/ready"], name
        assert container["ports"] == [{"name": "http", "containerPort": int(configured()["PORT"])}], name


def test_a_pod_has_the_time_that_its_end_may_take() -> None:
    drain_s, stop_s = float(configured()["DRAIN_S"]), ServerSettings().stop_timeout_s
    for name, pod in pods().items():
        if name != "larder-migrate":
            longest = drain_s + GRACE_S + stop_s * 10  # ten services that hang, of twenty
            assert pod["terminationGracePeriodSeconds"] >= longest, name
            probe = pod["containers"][0]["readinessProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] < drain_s, "nobody would notice that it drains"


def test_labels_and_names_lead_somewhere() -> None:
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in of_kind("Deployment").items()}
    for name, one in of_kind("Deployment").items():
        assert one["spec"]["selector"]["matchLabels"] == labels[name]
    for name, budget in of_kind("PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == labels[name]
    assert of_kind("Service")["larder"]["spec"]["selector"] == labels["larder-api"]
    rule = of_kind("Ingress")["larder"]["spec"]["rules"][0]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] in of_kind("Service")
    assert rule["host"] in configured()["PUBLIC_URL"]
    assert (
        of_kind("NetworkPolicy")["larder"]["spec"]["podSelector"]["matchLabels"].items() <= labels["larder-api"].items()
    )


def test_the_job_runs_a_command_that_exists_as_the_images_user() -> None:
    pod = pods()["larder-migrate"]
    assert pod["containers"][0]["args"][0] in COMMANDS
    user = re.search(r"^USER (\d+):", (ROOT / "docker" / "Dockerfile").read_text(), re.M)
    assert user and int(user[1]) == pod["securityContext"]["runAsUser"]
