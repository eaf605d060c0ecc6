"""A server killed while it changes keys, what its audit trail tells afterwards, and its end by request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx

from backend.src.commands.api import Api
from backend.src.core.errors import LarderError
from tests.servers.larder import Larder
from tests.system.test_command_line import larder as command

NEVER_READ = "LARDER:TEST:NOBODY:HAS:THIS"
READ_TIMEOUT_S = 30.0  # how long a snapshot that reads it is under way: it is killed long before
# the whole rotation takes some 10 ms: before it, inside it, after it
KILLED_AFTER_S = (0.004, 0.010)


def in_thread(larder: Larder, work: Callable[[Api], Any]) -> tuple[threading.Thread, list[Any]]:
    """Begins the work; what it returned is in the list, unless the server died first.

    Over a connection of its own: whoever kills the server closes that of `larder.api`, perhaps before the work began.
    """
    answers: list[Any] = []
    client = httpx.Client(base_url=larder.url, auth=larder.api.client.auth, timeout=60)
    client.get("/health/live")  # connected: what comes now is quick

    def run() -> None:
        with closing(client), suppress(LarderError):
            answers.append(work(Api(client)))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def opens(larder: Larder, token: str) -> bool:
    answer = httpx.get(f"{larder.url}/v1/api-keys/count", headers={"X-API-Key": token})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def begun(larder: Larder, action: str) -> list[dict[str, Any]]:
    return [one for one in larder.api.call("GET", "/v1/admin/audit", params={"action": action}) if not one["status"]]


def test_a_server_killed_at_work(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[epics]\nread_timeout_s = {READ_TIMEOUT_S}\n")
    with Larder(tmp_path / "data", {}, config=config) as larder:
        token = _killed_in_a_request(larder)
        for delay_s in KILLED_AFTER_S:
            token = _killed_in_a_rotation(larder, token, delay_s)


def _killed_in_a_request(larder: Larder) -> str:
    """Its entry stays, and says that nobody knows how it ended. Returns the token of a new key."""
    token = larder.key("read", name="scans")
    larder.api.call("POST", "/v1/pvs", json={"setpointAddress": NEVER_READ})
    taking = {"async": False, "use_cache": False}
    wanted = {"title": "x", "pvPattern": "*"}
    thread, _ = in_thread(larder, lambda api: api.call("POST", "/v1/snapshots", json=wanted, params=taking))
    deadline = time.monotonic() + READ_TIMEOUT_S / 2
    while not begun(larder, "POST /v1/snapshots"):
        assert time.monotonic() < deadline, "the entry is written before the handler begins"
    larder.kill()
    thread.join()
    larder.start()
    (entry,) = begun(larder, "POST /v1/snapshots")
    assert (entry["actorKind"], entry["address"], entry["status"]) == ("local", "127.0.0.1", None)
    assert entry["detail"] == {"async": "false", "use_cache": "false"}
    (other,) = larder.api.call("GET", "/v1/admin/audit", params={"action": "POST /v1/pvs"})
    assert other["status"] == 200
    return token


def _killed_in_a_rotation(larder: Larder, token: str, delay_s: float) -> str:
    """Some token works whenever it dies, and a second attempt leaves one key. Returns the token that works then."""
    (key,) = _of_this_name(larder)
    path = f"/v1/api-keys/{key['id']}/rotate"
    thread, answers = in_thread(larder, lambda api: api.call("POST", path))
    time.sleep(delay_s)
    larder.kill()
    thread.join()
    larder.start()
    assert opens(larder, token), "the old token is good until the new one was used"
    assert len(_of_this_name(larder)) <= 2
    new = larder.api.call("POST", path)["token"]
    assert not any(opens(larder, answer["token"]) for answer in answers), "a later rotation takes its place"
    assert opens(larder, new) and not opens(larder, token)
    assert len(_of_this_name(larder)) == 1
    return str(new)


def _of_this_name(larder: Larder) -> list[dict[str, Any]]:
    keys = larder.api.call("GET", "/v1/api-keys", params={"active_only": True})
    return [key for key in keys if key["appName"] == "scans"]


def test_keys_trail_and_end_by_command(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Larder(folder, {}) as larder:
        made = json.loads(
            command(folder, "key", "create", "=1+1", "--from", "127.0.0.0/8", "--days", "1", "--json").stdout
        )
        assert (made["addresses"], made["prefix"]) == (["127.0.0.0/8"], made["token"][:12])
        rotated = json.loads(command(folder, "key", "rotate", made["id"], "--overlap", "60", "--json").stdout)
        assert opens(larder, made["token"]) and opens(larder, rotated["token"])
        assert json.loads(command(folder, "key", "show", made["id"], "--json").stdout)["rotatedTo"] == rotated["id"]
        httpx.post(f"{larder.url}/v1/pvs", headers={"X-API-Key": rotated["token"]})
        trail = command(folder, "audit", "--csv").stdout
        assert '"\'=1+1"' in trail and '"POST /v1/pvs"' in trail and made["token"] not in trail
        (refused,) = json.loads(command(folder, "audit", "--actor", "=1+1", "--json").stdout)
        assert (refused["status"], refused["actorId"]) == (403, rotated["id"])
        refusal = httpx.put(f"{larder.url}/v1/admin/stop", headers={"X-API-Key": larder.key("write", "manage")})
        assert refusal.status_code == 403
        command(folder, "stop")
        assert larder.ended() == 0 and f"asked for by {made['createdBy']}" in larder.log
        command(folder, "stop", expect=4)
