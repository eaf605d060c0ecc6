"""Where a request comes from: the peer of the connection, or the client that a trusted proxy named."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope


def client_address(scope: Scope) -> str:
    """The client's IP address in its one usual form, "" when there is none (a Unix socket).

    What a proxy forwarded counts only when it is trusted: web/trusted_proxies.py has put it into the scope then.
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
