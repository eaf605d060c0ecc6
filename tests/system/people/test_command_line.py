"""`larder user` as an administrator types it, and the first administrator from the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.larder import ROOT, Larder, clean_environment
from tests.servers.ports import free_port

PASSWORD = "plum hatch orbit vellum"


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    """Sends no mail."""
    folder = tmp_path_factory.mktemp("command-line") / "data"
    environment = {"ADMIN_EMAIL": "root@lab.example", "ADMIN_PASSWORD": PASSWORD}
    with Larder(folder, environment) as larder:
        yield larder


def run(
    folder: Path, *words: str, typed: str = "", expect: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "backend.src", *words],
        cwd=ROOT,
        env=clean_environment(folder, free_port(), environment),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expect, done.stderr + done.stdout
    assert "Traceback" not in done.stderr and PASSWORD not in done.stdout + done.stderr
    return done


def test_people_come_and_go_on_the_command_line(larder: Larder) -> None:
    def user(*words: str, **options: object) -> str:
        return run(larder.data_dir, "user", *words, **options).stdout  # type: ignore[arg-type]

    assert "ann@lab.example is an operator" in user(
        "create", "Ann@lab.example", "--role", "operator", "--password", typed=f"{PASSWORD}\n"
    )
    user("role", "ann@lab.example", "manager")
    ann_key = key_of(larder, "ann@lab.example", "archiver")
    told = user("disable", "ann@lab.example")
    assert "is disabled" in told and f"archiver ({ann_key['id']})" in told
    found = run(larder.data_dir, *told.split("`")[1].split(), "--json").stdout
    assert [key["id"] for key in json.loads(found)] == [ann_key["id"]]
    user("enable", "ann@lab.example")
    listed = {one["email"]: one for one in json.loads(user("list", "--json"))}
    assert set(listed) == {"root@lab.example", "ann@lab.example"}
    ann = listed["ann@lab.example"]
    assert (ann["name"], ann["role"], ann["disabled"]) == ("Ann", "manager", False)
    # no mail leaves: the code is printed, and it works
    code = user("password", ann["id"]).split("code: ")[1].split()[0]
    reset = {"code": code, "newPassword": "fjord seven quartz mantle"}
    assert httpx.post(f"{larder.url}/v1/users/password/reset", json=reset, timeout=30).is_success
    invited = json.loads(user("invite", "bob@lab.example", "--json"))
    assert invited["code"] in invited["link"]


@pytest.mark.parametrize("public_url", ["", "https://larder.lab.example"])
def test_a_link_made_without_a_server_leads_to_the_one_that_will_run(tmp_path: Path, public_url: str) -> None:
    """The way to the first administrator: the page must be there when the command and its own server are gone."""
    port = str(free_port())
    created = run(
        tmp_path, "user", "create", "bob@lab.example", "--role", "administrator", PORT=port, PUBLIC_URL=public_url
    )
    assert f"page: {public_url or f'http://127.0.0.1:{port}'}/account/reset?code=" in created.stdout


def key_of(larder: Larder, email: str, name: str) -> dict[str, Any]:
    """A key that this person made."""
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    token = httpx.post(f"{larder.url}/oauth/token", data=form, timeout=30).json()["access_token"]
    wanted = {"appName": name, "scopes": ["read"]}
    made = httpx.post(
        f"{larder.url}/v1/api-keys", json=wanted, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert made.is_success, made.text
    key: dict[str, Any] = made.json()
    return key


@pytest.mark.parametrize(
    ("words", "typed", "code", "message"),
    [
        (("create", "eve@lab.example", "--password"), "admin", 2, "too easy to guess"),
        (("disable", "root@lab.example"), "", 1, "last administrator"),
        (("role", "nobody@lab.example", "viewer"), "", 1, "nobody@lab.example"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    larder: Larder, words: tuple[str, ...], typed: str, code: int, message: str
) -> None:
    done = run(larder.data_dir, "user", *words, typed=typed, expect=code)
    assert done.stderr.startswith("error: ") and message in done.stderr


@pytest.mark.parametrize(
    ("environment", "code", "message"),
    [
        ({"ADMIN_EMAIL": "root@lab.example", "ADMIN_PASSWORD": "larder-admin"}, 1, "too easy to guess"),
        ({"ADMIN_EMAIL": "root", "ADMIN_PASSWORD": PASSWORD}, 1, "e-mail address"),
    ],
)
def test_a_first_administrator_that_anybody_could_be_stops_the_start(
    tmp_path: Path, environment: dict[str, str], code: int, message: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backend.src", "serve"],
        cwd=ROOT,
        env=clean_environment(tmp_path, free_port(), environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "  -> " in done.stderr and "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr
