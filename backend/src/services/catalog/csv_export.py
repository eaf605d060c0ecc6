"""The catalogue as a Squirrel PV list, in portions, so that it can be streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backend.src.services.catalog.csv_cells import quote, write_tags, write_text
from backend.src.services.catalog.csv_list import Column, header_name
from backend.src.services.catalog.inventory import NO_SLOT, Inventory, Slots

ROWS_A_PORTION = 1_000
ALWAYS = (Column.SETPOINT, Column.READBACK)

Cell = Callable[[int], str]


def write_list(inventory: Inventory) -> Iterator[str]:
    """The file in portions of text: the header, then the PVs in name order, columns without any value left out."""
    cells = _cells(inventory)
    yield ",".join(quote(name) for name in cells) + "\n"
    columns = tuple(cells.values())
    for start in range(0, len(inventory), ROWS_A_PORTION):
        rows = range(start, min(start + ROWS_A_PORTION, len(inventory)))
        yield "".join(",".join([cell(row) for cell in columns]) + "\n" for row in rows)


def _cells(inventory: Inventory) -> dict[str, Cell]:
    """Header to a function from the row to its finished cell."""
    used = {
        Column.DEVICE: any(inventory.devices),
        Column.DESCRIPTION: any(inventory.descriptions),
        Column.CONFIG: bool((inventory.config != NO_SLOT).any()),
        Column.ABS_TOLERANCE: bool(inventory.abs_tolerance.any()),
        Column.REL_TOLERANCE: bool(inventory.rel_tolerance.any()),
        Column.READ_ONLY: bool(inventory.read_only.any()),
    }
    kept = {column: cell for column, cell in _fields(inventory).items() if column in ALWAYS or used[column]}
    squirrel: dict[str, Cell] = {column: cell for column, cell in kept.items() if not column.startswith("@")}
    ours: dict[str, Cell] = {column: cell for column, cell in kept.items() if column not in squirrel}
    return squirrel | _tag_cells(inventory) | ours


def _fields(inventory: Inventory) -> dict[Column, Cell]:
    return {
        Column.SETPOINT: _addresses(inventory, inventory.setpoint),
        Column.READBACK: _addresses(inventory, inventory.readback),
        Column.DEVICE: lambda row: write_text(inventory.devices[row]),
        Column.DESCRIPTION: lambda row: write_text(inventory.descriptions[row]),
        Column.CONFIG: _addresses(inventory, inventory.config),
        Column.ABS_TOLERANCE: lambda row: repr(float(inventory.abs_tolerance[row])),
        Column.REL_TOLERANCE: lambda row: repr(float(inventory.rel_tolerance[row])),
        Column.READ_ONLY: lambda row: "true" if inventory.read_only[row] else "false",
    }


def _addresses(inventory: Inventory, column: Slots) -> Cell:
    slots = column.tolist()
    return lambda row: _address(inventory, slots[row])


def _address(inventory: Inventory, slot: int) -> str:
    address = inventory.address(slot)
    return "" if address is None else write_text(address.short(inventory.default_protocol))


def _tag_cells(inventory: Inventory) -> dict[str, Cell]:
    used = {inventory.known_tags[int(tag)] for tag in {*inventory.tag_links[:, 1].tolist()}}
    groups = sorted({(ref.group_name, ref.group_id) for ref in used})
    return {header_name(name): _tags(inventory, group_id) for name, group_id in groups}


def _tags(inventory: Inventory, group_id: int) -> Cell:
    return lambda row: write_tags(ref.name for ref in inventory.tags[row] if ref.group_id == group_id)
