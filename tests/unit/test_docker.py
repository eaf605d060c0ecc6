"""The image and the compose file: linted, and in step with the settings and the tree. No engine is needed."""

from __future__ import annotations

import fnmatch
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.src.__main__ import COMMANDS
from backend.src.config.loading import environment_names, load, secret_names
from backend.src.config.settings import Role
from docker.healthcheck import alive

SECRET_FILES = {f"{name}_FILE" for name in secret_names()}
ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yaml"
BIN = Path(sys.executable).parent
NOT_SETTINGS = {"DEMO_PVS"}  # read by the demo command alone


def run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


def ours() -> dict[str, Any]:
    return {name: service for name, service in services().items() if "build" in service}


def copied() -> list[str]:
    """What the Dockerfile copies from the build context."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.M)
    return [source for line in lines for source in line.split()]


def dockerfile_commands() -> list[str]:
    return re.findall(r"^(?:HEALTHCHECK .*)?(?:CMD|ENTRYPOINT) (.+)$", DOCKERFILE.read_text(), re.M)


def test_the_dockerfile_passes_its_linter() -> None:
    run(BIN / "hadolint", DOCKERFILE)


def test_the_compose_file_fits_the_schema_of_compose() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_everything_that_is_copied_exists() -> None:
    assert copied() and all((ROOT / source).exists() for source in copied())


def test_what_is_copied_and_nothing_else_is_in_the_build_context() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(copied())


def test_commands_are_in_exec_form() -> None:
    assert len(dockerfile_commands()) == 3
    assert all(command.startswith('["') for command in dockerfile_commands())


def test_compose_sets_only_variables_that_the_settings_know() -> None:
    assert ours()
    for name, service in ours().items():
        unknown = set(service["environment"]) - set(environment_names()) - NOT_SETTINGS - SECRET_FILES
        assert not unknown, f"{name}: {unknown}"


def test_compose_asks_only_for_variables_that_the_settings_know() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    assert asked - set(environment_names()) <= NOT_SETTINGS


def test_no_secret_is_handed_over_but_as_a_file() -> None:
    """What stands in a variable is shown to everybody who may look at a container."""
    declared = compose()["secrets"]
    for name, service in services().items():
        variables = {one for one, value in service.get("environment", {}).items() if value}
        assert not variables & secret_names() and not {"MYSQL_PASSWORD", "MINIO_ROOT_PASSWORD"} & variables, name
        files = [value for one, value in service.get("environment", {}).items() if value and one.endswith("_FILE")]
        assert {Path(file).name for file in files} <= set(service.get("secrets", ())) <= set(declared), name
    assert all(secret["file"].startswith(".secrets/") for secret in declared.values())
    assert "/.secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", [name for name, service in ours().items() if "env_file" in service])
def test_what_env_says_of_other_servers_is_not_believed(name: str, tmp_path: Path) -> None:
    """A .env that serves without containers may lie there already: every service reads it."""
    own = in_the_container(ours()[name]["environment"], tmp_path)
    theirs = {
        variable: "1" if variable.endswith("PORT") else "theirs-" * 5
        for variable, (section, _) in environment_names().items()
        if section in ("sql", "cache", "bucket") or variable in ("HOST", "PORT", "DATA_DIR", "SECRET_KEY")
    }
    files = {f"{variable}_FILE": "/theirs" for variable in set(theirs) & secret_names()}
    expected, found = load(None, own), load(None, {**theirs, **files, **own})
    assert (found.sql, found.bucket) == (expected.sql, expected.bucket)
    assert (found.cache.socket, found.cache.host) == (expected.cache.socket, "")
    assert found.cache.password == expected.cache.password and found.server == expected.server
    servers = services()
    assert (found.sql.user, found.sql.database) == tuple(
        servers["mysql"]["environment"][one] for one in ("MYSQL_USER", "MYSQL_DATABASE")
    )
    assert found.bucket.user == servers["minio"]["environment"]["MINIO_ROOT_USER"]


def test_env_has_what_the_containers_do_not_say(tmp_path: Path) -> None:
    own = in_the_container(ours()["api"]["environment"], tmp_path)
    env = {"PUBLIC_URL": "https://larder.example.org", "SENDER_HOST": "mail", "SENDER_ADDRESS": "larder@example.org"}
    settings = load(None, {**env, **own})
    assert settings.door.public_url == env["PUBLIC_URL"] and settings.mail.configured


def in_the_container(environment: dict[str, str], secrets: Path) -> dict[str, str]:
    """The variables as compose sets them when .env has none of those that it asks for; secrets lie in a folder."""
    found = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for name, value in environment.items()}
    for name, value in found.items():
        if name.endswith("_FILE") and value:
            path = secrets / Path(value).name
            path.write_text("0123456789" * 4)
            found[name] = str(path)
    return found


def test_each_role_is_a_service_that_begins_after_the_schema_and_the_servers() -> None:
    roles = {service["environment"]["ROLE"]: service for service in ours().values() if "ROLE" in service["environment"]}
    assert set(roles) == {role.value for role in Role} - {"all"}
    for role in roles.values():
        waited = {name: condition["condition"] for name, condition in role["depends_on"].items()}
        assert waited.pop("migrate") == "service_completed_successfully"
        assert set(waited) == {"mysql", "redis", "minio"} and set(waited.values()) == {"service_healthy"}


def test_only_the_api_is_published_and_only_to_its_host() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(published) == {"api", "demo"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_servers_are_on_no_network_that_leads_out() -> None:
    assert compose()["networks"]["back"]["internal"] is True
    assert services()["mysql"]["networks"] == services()["minio"]["networks"] == ["back"]
    assert services()["redis"]["network_mode"] == "none"


def test_larder_may_reach_the_socket_of_redis_and_nobody_else() -> None:
    options = compose()["volumes"]["redis"]["driver_opts"]["o"]
    user, group = services()["redis"]["user"].split(":")
    assert (f"uid={user}" in options) and (f"gid={group}" in options) and group == "10001" and "mode=0750" in options
    sockets = {service["environment"].get("REDIS_SOCKET") for service in ours().values()} - {None}
    assert sockets and sockets <= set(services()["redis"]["command"])


def test_our_containers_can_do_as_little_as_possible() -> None:
    for name, service in ours().items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_our_services_run_commands_that_exist() -> None:
    assert {service["command"][0] for service in ours().values() if "command" in service} <= set(COMMANDS)


def test_every_server_says_when_it_is_well() -> None:
    for name, service in services().items():
        assert name in ours() or service["healthcheck"]["test"], name


def test_volumes_that_are_used_are_declared() -> None:
    used = {volume.partition(":")[0] for service in services().values() for volume in service.get("volumes", [])}
    assert used == set(compose()["volumes"])


def test_images_are_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.M)
    images = [*bases, *(service["image"] for name, service in services().items() if name not in ours())]
    assert not [image for image in images if fnmatch.fnmatch(image, "*:latest") or ":" not in image]


@pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False), (404, False)])
def test_the_health_check_believes_only_200(status: int, expected: bool) -> None:
    with answering(status) as port:
        assert alive(port) is expected


def test_the_health_check_notices_that_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert not alive(probe.getsockname()[1])


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server whose /health/live answers `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/live" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
