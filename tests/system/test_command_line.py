"""The commands as a user types them, with a server running and without."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from backend.src.infra.sql.engine import DATABASE_FILE
from backend.src.infra.sql.migrations import HEAD
from tests.servers.larder import ROOT, Larder, clean_environment
from tests.servers.ports import free_port
from tests.servers.soft_ioc import SoftIoc

CSV = "Setpoint,Readback,Device,Area\nA:SET,A:GET,A,North\nB:SET,,B,South\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("command-line") / "data"


@pytest.fixture
def running(folder: Path) -> Iterator[Larder]:
    with Larder(folder, {}) as larder:
        yield larder


def larder(
    folder: Path, *words: str, expect: int = 0, environment: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "backend.src", *words],
        cwd=ROOT,
        env=clean_environment(folder, free_port(), environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expect, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def test_without_a_server_a_command_runs_one_for_itself(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(CSV)
    assert json.loads(larder(folder, "import", str(file), "--json").stdout)["created"] == 2
    larder(folder, "export", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text().count("\n") == 3
    assert not (folder / "server.json").exists()


def test_a_snapshot_in_the_first_second_of_a_server_has_every_value(tmp_path: Path) -> None:
    """Who has not connected yet is not away: until that is known, channels are read."""
    file, folder, config = tmp_path / "list.csv", tmp_path / "data", tmp_path / "config.toml"
    config.write_text("[epics]\nread_timeout_s = 8.0\n")  # for 3,000 channels, on a busy machine
    with SoftIoc.scale(3_000) as ioc:
        file.write_text("Setpoint,Readback\n" + "".join(f"{name},\n" for name in (*ioc.names, "NOBODY:HAS:IT")))
        larder(folder, "import", str(file))
        words = ("snapshot", "create", "at once", "--json", "--config", str(config))
        made = larder(folder, *words, environment=ioc.environment)
    assert (json.loads(made.stdout)["counts"]) == {"captured": 3_000, "disconnected": 1, "stale": 0, "alarm": 0}


def test_the_server_of_a_command_does_the_commands_own_work_alone(tmp_path: Path) -> None:
    """A restore that waits must not begin because somebody lists the keys, and be aborted when they are listed."""
    file, folder = tmp_path / "list.csv", tmp_path / "data"
    file.write_text(CSV)
    larder(folder, "import", str(file))
    larder(folder, "snapshot", "create", "before")
    with closing(sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)) as database:
        database.execute("UPDATE jobs SET status = 'pending', completed_at = NULL, worker = NULL")
        larder(folder, "key", "list")
        larder(folder, "snapshot", "create", "after")
        assert [row[0] for row in database.execute("SELECT status FROM jobs ORDER BY created_at")] == [
            "pending",
            "completed",
        ]
    with Larder(folder, {}) as running:
        running.wait_for("/v1/jobs", lambda jobs: [job["status"] for job in jobs] == ["completed"] * 2)


def test_a_key_is_shown_once_opens_the_door_and_closes_it(folder: Path, running: Larder) -> None:
    made = json.loads(larder(folder, "key", "create", "archiver", "--scopes", "read", "--json").stdout)
    url = ("--url", running.url)
    larder(folder, "snapshot", "list", *url, "--key", made["token"])
    listing = larder(folder, "key", "list", "--json").stdout
    assert "archiver" in listing and made["token"] not in listing
    larder(folder, "key", "revoke", made["id"])
    refused = larder(folder, "snapshot", "list", *url, "--key", made["token"], expect=5)
    assert refused.stderr.startswith("error: ")


ERRORS = (
    ("import nowhere.csv", 2, "nowhere.csv"),
    ("snapshot show 0123456789abcdef", 1, "0123456789abcdef"),
    ("key create x --scopes fly", 2, "scopes"),
    ("snapshot list --url http://127.0.0.1:1 --key x", 4, "127.0.0.1:1"),
    ("snapshot list --url http://127.0.0.1:1", 5, "LARDER_API_KEY"),
    ("serve --config nowhere.toml", 3, "nowhere.toml"),
)


def test_errors_are_one_line_with_a_code(folder: Path, running: Larder, subtests: pytest.Subtests) -> None:
    for words, code, message in ERRORS:
        with subtests.test(words):
            done = larder(folder, *words.split(), expect=code)
            assert done.stderr.startswith("error: ") and message in done.stderr
    with subtests.test("JSON where JSON was asked for"):
        done = larder(folder, "snapshot", "show", "0123456789abcdef", "--json", expect=1)
        assert "0123456789abcdef" in json.loads(done.stderr)["error"]


def test_an_unknown_command_lists_the_known_ones(folder: Path) -> None:
    done = larder(folder, "fly", expect=2)
    assert "invalid choice: 'fly'" in done.stderr
    assert "snapshot" in larder(folder, "--help").stdout


def test_a_restore_never_writes_unasked(folder: Path, running: Larder, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(CSV)
    larder(folder, "import", str(file))
    made = json.loads(larder(folder, "snapshot", "create", "before", "--json").stdout)
    assert (made["pvCount"], made["counts"]["disconnected"]) == (2, 2)
    done = larder(folder, "snapshot", "restore", made["id"], expect=2)
    assert "--yes" in done.stderr
    plan = json.loads(larder(folder, "snapshot", "restore", made["id"], "--dry-run", "--json").stdout)
    assert {item["verdict"] for item in plan["items"]} <= {"disconnected", "not_captured"}


def test_what_runs_by_itself_and_how_long_snapshots_are_kept(folder: Path, running: Larder) -> None:
    assert larder(folder, "cron", "run", "tokens", "--wait", "20").stdout.startswith("tokens: ")
    assert json.loads(larder(folder, "cron", "pause", "watchdog", "--json").stdout)["paused"]
    listing = larder(folder, "cron", "list").stdout
    assert all(name in listing for name in ("every 1h, jitter 5m", "retention", "paused"))
    assert "nothing" in larder(folder, "cron", "run", "nothing", expect=1).stderr
    larder(folder, "retention", "set", "shift", "7")
    rules = json.loads(larder(folder, "retention", "list", "--json").stdout)
    assert {rule["label"]: rule["keepDays"] for rule in rules} == {"before-restore": 90, "scheduled": 30, "shift": 7}
    assert "0 snapshots" in larder(folder, "retention", "preview").stdout
    larder(folder, "retention", "remove", "shift")


def test_check_names_what_works(folder: Path) -> None:
    report = json.loads(larder(folder, "check", "--json").stdout)
    assert all(entry["ok"] for entry in report["checks"])


def schema_of(folder: Path, revision: str | None = None) -> str:
    """The revision of the embedded database, set to another first when one is given."""
    with closing(sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)) as database:
        if revision is not None:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_check_neither_makes_nor_upgrades_the_database(tmp_path: Path) -> None:
    def said() -> str:
        report = json.loads(larder(tmp_path, "check", "--json").stdout)
        return next(str(entry["message"]) for entry in report["checks"] if entry["name"] == "SQL")

    assert f"from nothing to {HEAD}" in said()
    assert not (tmp_path / DATABASE_FILE).exists()
    larder(tmp_path, "migrate")
    assert HEAD not in said()
    schema_of(tmp_path, "0001")
    assert f"from 0001 to {HEAD}" in said()
    assert schema_of(tmp_path) == "0001"


def test_check_says_that_the_database_is_of_a_newer_larder(tmp_path: Path) -> None:
    larder(tmp_path, "migrate")
    schema_of(tmp_path, "9999")
    assert "newer" in larder(tmp_path, "check", expect=1).stdout


def test_nobody_migrates_the_database_of_a_server_that_runs(tmp_path: Path) -> None:
    with Larder(tmp_path, {}) as running:
        schema_of(tmp_path, "0001")  # as if an older Larder were running
        done = larder(tmp_path, "migrate", expect=1)
        assert running.url in done.stderr and "Traceback" not in done.stderr
        assert schema_of(tmp_path) == "0001"
        schema_of(tmp_path, HEAD)


def test_check_names_what_does_not_work_and_the_remedy(folder: Path) -> None:
    environment = clean_environment(folder, free_port(), {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_PASSWORD": "x"})
    command = [sys.executable, "-m", "backend.src", "check"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "DB_HOST" in done.stdout and "Traceback" not in done.stderr
