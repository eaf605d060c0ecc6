"""What the door's lists may hold; anything else stops the start and says why."""

from __future__ import annotations

from typing import Any

import pytest

from backend.src.config import door
from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import load
from backend.src.config.settings import DoorSettings


def test_lists_are_taken_apart() -> None:
    given = DoorSettings(
        trusted_hosts=" Larder.example.org, *.lab.example.org ,[::1]",
        trusted_proxies="10.1.2.3, 192.168.0.0/16,fd00::/8",
        cors_origins="https://a.example.org, http://b.example.org:8080",
    )
    door.check_door(given)
    assert door.trusted_hosts(given) == ("larder.example.org", "*.lab.example.org", "[::1]")
    assert door.trusted_proxies(given) == (
        "10.1.2.3/32", "::ffff:10.1.2.3/128", "192.168.0.0/16", "::ffff:192.168.0.0/112", "fd00::/8",
    )  # fmt: skip
    assert door.cors_origins(given) == ("https://a.example.org", "http://b.example.org:8080")
    assert door.cors_origins(DoorSettings(cors_origins="*")) == ("*",)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRUSTED_HOSTS", "https://larder.example.org"),
        ("TRUSTED_HOSTS", "larder.example.org:5000"),
        ("TRUSTED_HOSTS", "*"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "nginx"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CORS_ORIGINS", "*,https://a.example.org"),
        ("CORS_ORIGINS", "https://a.example.org/"),
        ("CORS_ORIGINS", "a.example.org"),
        ("CORS_ORIGINS", "null"),
        ("TLS_KEY", "/etc/key.pem"),
        ("PUBLIC_URL", "larder.example.org"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("PUBLIC_URL", "http://[::1"),
        ("PUBLIC_URL", "http://larder.example.org:port"),
        ("CORS_ORIGINS", "http://[::1"),
    ],
)
def test_what_cannot_be_used_stops_the_start(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(None, {variable: value})
    assert variable in refused.value.message and refused.value.remedy


def test_every_list_may_be_empty() -> None:
    nothing: Any = DoorSettings()
    assert not (door.trusted_hosts(nothing) or door.trusted_proxies(nothing) or door.cors_origins(nothing))
