"""A PV list into the catalogue: what each row changes, and all of it written in one transaction.

A column that the file has sets its field: an empty cell clears it. Fields and tag groups without a column stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from backend.src.infra.epics.address import PvAddress
from backend.src.services.catalog import pv_rows, tag_rows
from backend.src.services.catalog.csv_list import ListedPv, PvList, RejectedRow, Tags
from backend.src.services.catalog.inventory import Inventory, Slots
from backend.src.services.catalog.models import PvDraft, TagDraft
from backend.src.services.catalog.pv_edits import as_draft
from backend.src.services.catalog.pv_rows import Stamp

TagName = tuple[str, str]  # group and tag


class Outcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class RowReport:
    """One row of the file; `reason` says why it was rejected, or what an update changes."""

    line: int
    name: str
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or with dry_run would do; `rows` in the order of the file."""

    dry_run: bool
    groups_created: int
    tags_created: int
    rows: tuple[RowReport, ...]

    def count(self, outcome: Outcome) -> int:
        """How many rows ended so."""
        return sum(row.outcome is outcome for row in self.rows)

    @property
    def changed(self) -> bool:
        """Whether the catalogue is another one afterwards."""
        return not self.dry_run and any(row.outcome in (Outcome.CREATED, Outcome.UPDATED) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Step:
    """What one row asks for; draft and tags as they shall be, where they are not so yet."""

    report: RowReport
    pv_id: int | None = None
    draft: PvDraft = PvDraft()
    tags: Tags = frozenset()

    retags: bool = False

    @property
    def writes(self) -> bool:
        """Whether there is something to do."""
        return self.report.outcome in (Outcome.CREATED, Outcome.UPDATED)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a whole file, and the tags that it brings."""

    steps: tuple[Step, ...]
    new_groups: frozenset[str]
    new_tags: Tags

    def report(self, *, dry_run: bool) -> ImportReport:
        """The plan as told to people."""
        rows = tuple(step.report for step in self.steps)
        return ImportReport(dry_run, len(self.new_groups), len(self.new_tags), rows)


def plan(listed: PvList, inventory: Inventory) -> Plan:
    """Compares a file with the catalogue; changes nothing."""
    planner = _Planner(listed, inventory)
    steps = tuple(planner.step(row) for row in listed.rows)
    needed: Tags = frozenset().union(*{step.tags for step in steps if step.writes})
    new_tags = needed - {(ref.group_name, ref.name) for ref in inventory.known_tags.values()}
    new_groups = {group for group, _ in new_tags} - set(inventory.known_groups.values())
    return Plan(steps, frozenset(new_groups), new_tags)


def apply(connection: Connection, planned: Plan, inventory: Inventory, stamp: Stamp) -> None:
    """Writes a plan that was made in the same transaction."""
    created = [step for step in planned.steps if step.report.outcome is Outcome.CREATED]
    updated = [step for step in planned.steps if step.report.outcome is Outcome.UPDATED]
    ids = _tag_ids(connection, planned, stamp.at)
    tag_ids = {tags: tuple(ids[tag] for tag in tags) for tags in {step.tags for step in (*created, *updated)}}
    # of both at once: an update may name a channel that comes with a new PV
    slots = pv_rows.slots_of(connection, [step.draft for step in (*created, *updated)], inventory.slot_of)
    pv_ids = pv_rows.add(connection, [step.draft for step in created], slots[: len(created)], stamp)
    pv_rows.link(connection, pv_ids, (tag_ids[step.tags] for step in created))
    drafts = {step.pv_id: replace(step.draft, tag_ids=tag_ids[step.tags]) for step in updated if step.pv_id}
    retagged = [step.pv_id for step in updated if step.pv_id and step.retags]
    pv_rows.change(connection, drafts, slots[len(created) :], stamp, retagged=retagged)


class _Planner:
    """The catalogue beside the file: columns of it as lists, for the fields that the file has."""

    def __init__(self, listed: PvList, inventory: Inventory) -> None:
        self._inventory = inventory
        self._groups = listed.groups
        self._columns: dict[str, Sequence[object]] = {
            "setpoint": self._addresses(inventory.setpoint),
            "readback": self._addresses(inventory.readback),
            "config": self._addresses(inventory.config),
            "device": inventory.devices,
            "description": inventory.descriptions,
            "abs_tolerance": inventory.abs_tolerance.tolist(),
            "rel_tolerance": inventory.rel_tolerance.tolist(),
            "read_only": inventory.read_only.tolist(),
        }
        parts = (self._columns[part] for part in ("setpoint", "readback", "config"))
        self._rows = {_identity(*addresses): row for row, addresses in enumerate(zip(*parts, strict=True))}
        self._names: dict[int, tuple[Tags, Tags]] = {}

    def step(self, row: ListedPv | RejectedRow) -> Step:
        """What one row of the file asks for."""
        if isinstance(row, RejectedRow):
            return Step(RowReport(row.line, row.name, Outcome.REJECTED, row.reason))
        changes = row.changes
        at = self._rows.get(_identity(changes.get("setpoint"), changes.get("readback"), changes.get("config")))
        return self._create(row) if at is None else self._update(row, at)

    def _create(self, row: ListedPv) -> Step:
        return Step(self._report(row, Outcome.CREATED), None, PvDraft(**row.changes), row.tags)

    def _update(self, row: ListedPv, at: int) -> Step:
        changed = [field for field, value in row.changes.items() if self._columns[field][at] != value]
        carried, kept = self._tags_at(at)
        tags = row.tags | kept
        if tags != carried:
            changed.append("tags")
        if not changed:
            return Step(self._report(row, Outcome.UNCHANGED))
        report = self._report(row, Outcome.UPDATED, ", ".join(changed))
        draft = replace(as_draft(self._inventory.pv(at)), **row.changes)
        return Step(report, int(self._inventory.pv_ids[at]), draft, tags, tags != carried)

    def _report(self, row: ListedPv, outcome: Outcome, reason: str | None = None) -> RowReport:
        return RowReport(row.line, row.address.short(self._inventory.default_protocol), outcome, reason)

    def _addresses(self, slots: Slots) -> list[PvAddress | None]:
        address_of = self._inventory.address_of
        return [address_of.get(slot) for slot in slots.tolist()]

    def _tags_at(self, row: int) -> tuple[Tags, Tags]:
        """The tags of a PV, and those of them in groups that the file has no column for."""
        refs = self._inventory.tags[row]
        key = id(refs)  # PVs with the same tags share one tuple, which lives as long as the inventory
        if key not in self._names:
            carried = frozenset((ref.group_name, ref.name) for ref in refs)
            self._names[key] = carried, frozenset(tag for tag in carried if tag[0] not in self._groups)
        return self._names[key]


def _identity(setpoint: object, readback: object, config: object) -> tuple[str, object]:
    if setpoint:
        return ("setpoint", setpoint)
    return ("readback", readback) if readback else ("config", config)


def _tag_ids(connection: Connection, planned: Plan, now: datetime) -> dict[TagName, int]:
    groups: dict[str, list[TagDraft]] = {}
    for group, tag in sorted(planned.new_tags):
        groups.setdefault(group, []).append(TagDraft(tag))
    tag_rows.add_many(connection, groups, now)
    return {(ref.group_name, ref.name): ref.id for ref in pv_rows.tag_refs(connection).values()}
