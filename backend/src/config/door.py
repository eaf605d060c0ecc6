"""The lists of [door], taken apart: hosts, networks, origins."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, ip_network
from urllib.parse import SplitResult, urlsplit

from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import DoorSettings

ANY = "*"
MAPPED = "::ffff:"  # RFC 4291: how a socket for both families shows an IPv4 address
_host = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")


def trusted_hosts(door: DoorSettings) -> tuple[str, ...]:
    """Host names without ports, in lower case, `*.` before a name for all below it; none means any."""
    hosts = tuple(host.lower() for host in _items(door.trusted_hosts))
    for host in hosts:
        if not _host.fullmatch(host):
            raise _wrong("trusted_hosts (TRUSTED_HOSTS)", host, "give host names without scheme, port and path")
    return hosts


def trusted_proxies(door: DoorSettings) -> tuple[str, ...]:
    """Networks, each IPv4 one in its IPv6 form too."""
    networks: list[str] = []
    for text in _items(door.trusted_proxies):
        try:
            network = ip_network(text, strict=False)
        except ValueError as exc:
            raise _wrong("trusted_proxies (TRUSTED_PROXIES)", text, "give addresses or networks: 10.0.0.0/24") from exc
        networks.append(str(network))
        if isinstance(network, IPv4Network):
            networks.append(f"{MAPPED}{network.network_address}/{96 + network.prefixlen}")
    return tuple(networks)


def cors_origins(door: DoorSettings) -> tuple[str, ...]:
    """Origins as browsers send them, or `*` alone."""
    origins = _items(door.cors_origins)
    for origin in origins:
        if not (_is_origin(origin) or origins == (ANY,)):
            remedy = "give origins like https://panels.example.org, without a path, or * alone"
            raise _wrong("cors_origins (CORS_ORIGINS)", origin, remedy)
    return origins


def check_door(door: DoorSettings) -> None:
    """Raises ConfigurationError for a list that cannot be read, or half a TLS configuration."""
    trusted_hosts(door)
    trusted_proxies(door)
    cors_origins(door)
    if door.tls_key and not door.tls_certificate:
        raise _wrong("tls_key (TLS_KEY)", door.tls_key, "set TLS_CERTIFICATE too, or neither")
    if door.public_url:
        try:
            web_address(door.public_url)
        except ValueError as exc:
            remedy = "give a URL like https://larder.example.org"
            raise _wrong("public_url (PUBLIC_URL)", door.public_url, remedy) from exc


def web_address(text: str) -> SplitResult:
    """The parts of an http or https address. Raises ValueError for any other text."""
    parts = urlsplit(text)
    _ = parts.port  # looked at only when it is asked for
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is no http or https address")
    return parts


def _is_origin(text: str) -> bool:
    try:
        parts = web_address(text)
    except ValueError:
        return False
    return text == f"{parts.scheme}://{parts.netloc}"


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _wrong(name: str, value: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"door.{name}: {value!r} cannot be used", remedy=remedy)
