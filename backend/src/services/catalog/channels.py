"""The channels table: every address that was ever used, and its id, the slot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from sqlalchemy import Column, Connection, func, literal_column, select

from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.sql.tables import channels
from backend.src.infra.sql.tuples import insert_tuples, select_tuples

IDS_IN_A_QUERY = 1_000
READ_ALL_FROM = 5_000  # one look at the whole table costs less than this many names in queries

T = TypeVar("T")

_PROTOCOLS = {str(protocol): protocol for protocol in Protocol}


def chunks(items: Iterable[T], size: int = IDS_IN_A_QUERY) -> Iterator[Sequence[T]]:
    """The items in portions that fit into one query."""
    iterator = iter(items)
    while portion := tuple(islice(iterator, size)):
        yield portion


def canonical(text: str) -> PvAddress:
    """Reads an address as the table holds it, protocol included."""
    protocol, _, name = text.partition("://")
    return PvAddress(_PROTOCOLS[protocol], name)


def ensure(
    connection: Connection, addresses: Collection[PvAddress], known: Mapping[PvAddress, int] | None = None
) -> Mapping[PvAddress, int]:
    """The slots of the addresses (maybe of others too), made where they are new; the caller holds the catalogue's lock.

    `known`: every channel there is, for callers that have read them.
    """
    slots = find(connection, addresses) if known is None else known
    missing = [address for address in dict.fromkeys(addresses) if address not in slots]
    return {**slots, **_add(connection, missing)} if missing else slots


def find(connection: Connection, addresses: Collection[PvAddress]) -> dict[PvAddress, int]:
    """The slots of those addresses that have one (of a large number: all slots)."""
    if len(addresses) >= READ_ALL_FROM:
        return made_after(connection, 0)
    found: dict[PvAddress, int] = {}
    for portion in chunks(map(str, addresses)):
        query = select(channels.c.address, channels.c.id).where(channels.c.address.in_(portion))
        found |= {canonical(text): slot for text, slot in connection.execute(query)}
    return found


def made_after(connection: Connection, slot: int) -> dict[PvAddress, int]:
    """Every channel whose slot is greater, by address."""
    query = select(channels.c.address, channels.c.id).where(channels.c.id > literal_column(str(slot)))
    return {canonical(text): found for text, found in select_tuples(connection, query)}


def _add(connection: Connection, addresses: Sequence[PvAddress]) -> dict[PvAddress, int]:
    newest = connection.execute(select(func.max(channels.c.id))).scalar() or 0
    insert_tuples(connection, (channels.c.address,), ((str(address),) for address in addresses))
    # within the lock nobody else adds channels, and ids ascend in the order of insertion
    return dict(zip(addresses, ids_after(connection, channels.c.id, newest), strict=True))


def ids_after(connection: Connection, column: Column[int], newest: int) -> list[int]:
    """The ids greater than `newest`, ascending."""
    query = select(column).where(column > literal_column(str(int(newest)))).order_by(column)
    return [row[0] for row in select_tuples(connection, query)]
