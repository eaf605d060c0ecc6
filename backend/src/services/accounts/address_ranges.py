"""From where a key may be used: networks, IPv4 always as IPv4."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from backend.src.core.errors import Invalid

Network = IPv4Network | IPv6Network

MAPPED = IPv6Network("::ffff:0:0/96")  # IPv4 addresses as an IPv6 socket shows them


def parse_ranges(texts: Iterable[str]) -> tuple[Network, ...]:
    """Each range once, in order. Raises Invalid for what is no address and no network."""
    return tuple(dict.fromkeys(_parse(text) for text in texts))


def within(address: str, ranges: Iterable[Network]) -> bool:
    """Whether a client at this address is in one of them; one without an address is in none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = _plain(found)
    return any(plain in network for network in ranges if network.version == plain.version)


def cover(ranges: Iterable[Network], wanted: Iterable[Network]) -> bool:
    """Whether every address of `wanted` is in one of the ranges; no ranges are all addresses, on either side."""
    outer, inner = tuple(ranges), tuple(wanted)
    return not outer or bool(inner and all(any(_holds(one, network) for one in outer) for network in inner))


def _holds(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _parse(text: str) -> Network:
    try:
        if "%" in text:
            raise ValueError("a zone means something on one machine only")
        network = ip_network(text.strip())
    except ValueError as exc:
        remedy = "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
        raise Invalid(f"{text!r} is no address and no network: {exc}", remedy=remedy) from exc
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        address = _plain(network.network_address)
        return IPv4Network((int(address), network.prefixlen - MAPPED.prefixlen))
    return network


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
