"""The messages of the live socket, in both directions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from backend.src.config.settings import StreamingSettings
from tests.system.contract.shapes import ENTRY, FLAG, MAP, NUMBER, TEXT, WHOLE, check
from tests.system.contract.site import RECORDS, Site, refuse


class Socket:
    """A client of the live socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def say(self, text: str | None = None, **message: Any) -> None:
        self._connection.send(text if text is not None else json.dumps(message))

    def hear(self, kind: str, shape: Any) -> Any:
        """The next message of a type."""
        while True:
            message = json.loads(self._connection.recv(20), parse_constant=refuse)
            if message["type"] == kind:
                check(message, shape, kind)
                return message


@pytest.mark.parametrize("path", ["/v1/ws/pvs", "/v1/ws/live"])
def test_the_messages_of_the_socket(site: Site, path: str) -> None:
    name, absent = site.pv("DOUBLE"), site.pv("ABSENT")
    with _connect(site, path, site.client.headers["X-API-Key"]) as connection:
        socket = Socket(connection)
        socket.say(type="subscribe", pvNames=[name, absent, "NOBODY"])
        assert socket.hear("subscribed", {"pvNames": [TEXT]}) == {
            "type": "subscribed", "pvNames": [name, absent], "unknown": ["NOBODY"],
        }  # fmt: skip
        first = socket.hear("initial", {"data": MAP(ENTRY), "count": WHOLE})
        assert (first["count"], list(first["data"]), first["data"][absent]["connected"]) == (2, [name, absent], False)
        site.ask("PUT", "/v1/pvs/{DOUBLE}/value", json={"value": "NaN"})
        changed = socket.hear("diff", {"data": MAP(ENTRY), "count": WHOLE, "timestamp": NUMBER})
        assert changed["data"][name]["value"] == "NaN"
        beat = socket.hear("heartbeat", {"timestamp": NUMBER, "monitor_heartbeat": NUMBER, "monitor_alive": FLAG})
        assert beat["monitor_alive"] is True
        socket.say(type="get_all")
        assert socket.hear("all_values", {"values": MAP(ENTRY), "count": WHOLE})["count"] == len(RECORDS) + 2
        for nonsense in ("{", "[]", '{"type": "dance"}', '{"type": "subscribe", "pvNames": 3}'):
            socket.say(nonsense)
            assert socket.hear("error", {"message": TEXT})["message"]
        socket.say(type="unsubscribe", pvNames=[name])
        socket.say(type="ping")
        socket.hear("pong", {"timestamp": NUMBER})
    site.ask("PUT", "/v1/pvs/{DOUBLE}/value", json={"value": 1.5})


@pytest.mark.parametrize(
    "first", [{"type": "auth", "apiKey": "lrd_no"}, {"type": "auth", "token": "a.b.c"}, {"type": "ping"}]
)
def test_a_socket_is_refused_with_1008(site: Site, first: dict[str, str]) -> None:
    with _connect(site, "/v1/ws/pvs", None) as connection, pytest.raises(ConnectionClosed) as closed:
        connection.send(json.dumps(first))
        while True:
            connection.recv(20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_a_browser_says_who_it_is_in_its_first_message(site: Site) -> None:
    with _connect(site, "/v1/ws/pvs", None) as connection:
        connection.send(json.dumps({"type": "auth", "apiKey": site.client.headers["X-API-Key"]}))
        connection.send(json.dumps({"type": "ping"}))
        Socket(connection).hear("pong", {"timestamp": NUMBER})


def test_the_times_of_the_socket_are_those_that_were_promised() -> None:
    settings = StreamingSettings()
    assert (settings.interval_s, settings.heartbeat_s, settings.auth_timeout_s) == (0.1, 5.0, 5.0)


def _connect(site: Site, path: str, key: str | None) -> ClientConnection:
    headers = {} if key is None else {"X-API-Key": key}
    return connect(site.larder.url.replace("http", "ws", 1) + path, additional_headers=headers)
