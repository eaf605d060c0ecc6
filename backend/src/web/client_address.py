"""Where a request comes from: the peer of the connection, or the client that a trusted proxy named."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import Scope


def client_address(scope: Scope) -> str:
    """The client's IP address in its one usual form, "" when there is none (a Unix socket).

    What a proxy forwarded counts only when it is trusted; it stands in the scope then.
    """
    client = scope.get("client")
    return _usual(client[0]) if client and client[0] else ""


@lru_cache(maxsize=4_096)
def _usual(text: str) -> str:
    """Without a zone, and IPv4 as IPv4: a socket for both families shows it as ::ffff:192.0.2.1."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def address_group(address: str) -> str:
    """Who counts as one: an IPv4 address, or the /64 of an IPv6 one, of which each customer has at least one."""
    return _group(address) if ":" in address else address


@lru_cache(maxsize=4_096)
def _group(address: str) -> str:
    return str(ip_network(f"{address}/64", strict=False))
