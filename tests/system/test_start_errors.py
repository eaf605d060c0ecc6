"""Whatever keeps Larder from starting ends in one clear line, a remedy, and an exit code that is not zero."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.servers.larder import ROOT, Larder, as_environment, clean_environment
from tests.servers.mariadb import MariaDb
from tests.servers.ports import free_port

CONFIGURATION_WRONG = 3


def serve(folder: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backend.src", "serve", *arguments],
        cwd=ROOT,
        env=clean_environment(folder, free_port(), environment),
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def expect(run: subprocess.CompletedProcess[str], exit_code: int, *words: str) -> None:
    assert run.returncode == exit_code, run.stderr
    assert "Traceback" not in run.stderr
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, run.stderr
    remedy = run.stderr.split(errors[0], 1)[1]
    assert remedy.strip().startswith("-> "), run.stderr
    for word in words:
        assert word in errors[0] + remedy, run.stderr


def test_a_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[server]\nport = = 3\n")
    expect(serve(tmp_path, {}, "--config", str(file)), CONFIGURATION_WRONG, str(file), "line 2")


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    expect(serve(tmp_path, {"ROLE": "king"}), CONFIGURATION_WRONG, "ROLE", "all, api, monitor, worker")


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        expect(serve(tmp_path, {}, "--port", port), 1, f"port {port}", "PORT")


@pytest.mark.parametrize(
    ("environment", "port", "words"),
    [
        ({}, "70000", ("PORT", "70000")),
        ({"SENDER_HOST": "127.0.0.1", "SENDER_ADDRESS": "larder@example.org"}, "0", ("PORT", "PUBLIC_URL")),
    ],
)
def test_what_the_command_line_overrides_is_checked_like_the_rest(
    tmp_path: Path, environment: dict[str, str], port: str, words: tuple[str, ...]
) -> None:
    expect(serve(tmp_path, environment, "--port", port), CONFIGURATION_WRONG, *words)


def test_a_folder_in_use_names_the_server_that_uses_it(tmp_path: Path) -> None:
    with Larder(tmp_path, {}) as larder:
        expect(serve(tmp_path, {}), 1, str(larder.pid), larder.url, "DATA_DIR")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expect(serve(tmp_path / "file" / "data", {}), 1, "data folder", "DATA_DIR")


@pytest.mark.parametrize(
    ("variable", "environment"),
    [
        ("DB_HOST", {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_PASSWORD": "x"}),
        ("BUCKET_HOST", {"BUCKET_HOST": "127.0.0.1", "BUCKET_PORT": "1", "BUCKET_PASSWORD": "x"}),
    ],
)
def test_a_server_that_does_not_answer_is_named(tmp_path: Path, variable: str, environment: dict[str, str]) -> None:
    expect(serve(tmp_path, environment), 1, variable)


def test_a_wrong_database_password_is_named(tmp_path: Path, mariadb: MariaDb) -> None:
    environment = as_environment(mariadb.database()) | {"DB_PASSWORD": "not the one"}
    expect(serve(tmp_path, environment), 1, "DB_PASSWORD")


def test_a_database_without_a_schema_names_the_command_that_makes_it(tmp_path: Path, mariadb: MariaDb) -> None:
    expect(serve(tmp_path, as_environment(mariadb.database())), 1, "backend.src migrate")


def test_a_redis_that_is_away_keeps_nobody_from_working(tmp_path: Path) -> None:
    with Larder(tmp_path, {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}) as larder:
        larder.wait_for("/health/ready", lambda answer: answer["degraded"] == "cache")  # and the monitor, at first
        assert larder.api.call("GET", "/v1/pvs") == []
        cache = larder.api.call("GET", "/v1/health/dependencies")["dependencies"]["cache"]
        assert cache["state"] == "down" and "REDIS_HOST" in cache["remedy"]
        assert "REDIS_HOST" in larder.log
