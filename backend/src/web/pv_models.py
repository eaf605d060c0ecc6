"""What goes over the wire about PVs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from backend.src.core.errors import FieldError, Invalid
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.services.catalog import ImportReport, Outcome, Pv, PvChanges, PvDraft
from backend.src.web.inputs import LONGEST_NAME, NO_NUL, BodyId, IdText, PvText, Text, Tolerance
from backend.src.web.live_models import Entry, ShortName
from backend.src.web.models import RequestModel, ResponseModel

MOST_PVS = 200_000
MOST_TAGS = 1_000

Device = Annotated[str, StringConstraints(max_length=LONGEST_NAME, pattern=NO_NUL), Field(examples=["QUAD 201"])]
TagIds = Annotated[list[BodyId], Field(max_length=MOST_TAGS)]

_EXAMPLE: dict[str, Any] = {
    "setpointAddress": "QUAD:LI21:201:BDES",
    "readbackAddress": "QUAD:LI21:201:BACT",
    "device": "QUAD 201",
    "description": "Quadrupole field",
    "absTolerance": 0.01,
    "tags": ["1"],
}


class NewPv(RequestModel):
    """A PV to make: at least one address. An address is NAME, ca://NAME or pva://NAME; tags are ids."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    setpoint_address: PvText | None = None
    readback_address: PvText | None = None
    config_address: PvText | None = None
    device: Device | None = None
    description: Text | None = None
    abs_tolerance: Tolerance = 0.0
    rel_tolerance: Tolerance = 0.0
    read_only: bool = False
    tags: TagIds = Field(default_factory=list)

    def draft(self, address: Callable[[str], PvAddress]) -> PvDraft:
        """What the catalogue takes. Raises Invalid for an address that is none."""
        return PvDraft(
            setpoint=_address("setpointAddress", self.setpoint_address, address),
            readback=_address("readbackAddress", self.readback_address, address),
            config=_address("configAddress", self.config_address, address),
            device=self.device,
            description=self.description,
            abs_tolerance=self.abs_tolerance,
            rel_tolerance=self.rel_tolerance,
            read_only=self.read_only,
            tag_ids=tuple(self.tags),
        )


def _address(field: str, text: str | None, address: Callable[[str], PvAddress]) -> PvAddress | None:
    if text is None:
        return None
    try:
        return address(text)
    except Invalid as exc:
        raise Invalid(exc.message, errors=[FieldError((field,), exc.message)], remedy=exc.remedy) from exc


class ChangedPv(RequestModel):
    """New values of a PV. A field left out stays as it is; null clears it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "Quadrupole field", "device": None}]})

    setpoint_address: PvText | None = None
    readback_address: PvText | None = None
    config_address: PvText | None = None
    device: Device | None = None
    description: Text | None = None
    abs_tolerance: Tolerance | None = None
    rel_tolerance: Tolerance | None = None
    read_only: bool | None = None
    tags: TagIds | None = None

    def changes(self, address: Callable[[str], PvAddress]) -> PvChanges:
        """The fields that were given, and no others. Raises Invalid for an address that is none."""
        new = NewPv.model_construct(**{field: value for field, value in self if value is not None}).draft(address)
        changes = PvChanges()
        for field in self.model_fields_set:
            name = _FIELDS[field]
            changes[name] = getattr(new, name)  # type: ignore[literal-required]
        return changes


_FIELDS = {
    "setpoint_address": "setpoint",
    "readback_address": "readback",
    "config_address": "config",
    "device": "device",
    "description": "description",
    "abs_tolerance": "abs_tolerance",
    "rel_tolerance": "rel_tolerance",
    "read_only": "read_only",
    "tags": "tag_ids",
}


class CarriedTag(ResponseModel):
    """A tag as a PV carries it."""

    id: IdText
    name: str = Field(examples=["LI21"])
    description: str | None
    group_id: IdText
    group_name: str = Field(examples=["Area"])


class PvAnswer(ResponseModel):
    """A PV. Addresses of the default protocol are bare names."""

    id: IdText
    setpoint_address: str | None = Field(examples=["QUAD:LI21:201:BDES"])
    readback_address: str | None = Field(examples=["QUAD:LI21:201:BACT"])
    config_address: str | None
    device: str | None = Field(examples=["QUAD 201"])
    description: str | None = Field(examples=["Quadrupole field"])
    abs_tolerance: float = Field(examples=[0.01])
    rel_tolerance: float = Field(examples=[0.0])
    read_only: bool
    tags: list[CarriedTag]
    created_date: datetime
    last_modified_date: datetime
    created_by: str | None = Field(examples=["Ann Smith (user 5)"])
    last_modified_by: str | None = Field(examples=["Ann Smith (user 5)"])


class PagedPvs(ResponseModel):
    """A page; continuationToken is null on the last one."""

    results: list[PvAnswer]
    continuation_token: str | None
    total_count: int = Field(examples=[1])


class FoundPvs(ResponseModel):
    """The PVs that a search found; liveValues only when asked for."""

    results: list[PvAnswer]
    total_count: int = Field(examples=[1])
    limit: int = Field(examples=[100])
    offset: int = Field(examples=[0])
    live_values: dict[ShortName, Entry] | None = None


class ImportedRow(ResponseModel):
    """What became of one row; reason: why it was rejected, or what an update changed."""

    line: int = Field(examples=[2])
    pv_name: str = Field(examples=["QUAD:LI21:201:BDES"])
    outcome: Outcome
    reason: str | None


class ImportAnswer(ResponseModel):
    """What an import did, or with dryRun would do."""

    dry_run: bool
    created: int = Field(examples=[1])
    updated: int = Field(examples=[0])
    unchanged: int = Field(examples=[0])
    rejected: int = Field(examples=[0])
    groups_created: int = Field(examples=[1])
    tags_created: int = Field(examples=[1])
    rows: list[ImportedRow]


def pvs_json(pvs: Iterable[Pv], default: Protocol) -> list[dict[str, Any]]:
    """PvAnswers as plain values, without pydantic: there may be tens of thousands."""
    return [pv_json(pv, default) for pv in pvs]


def pv_json(pv: Pv, default: Protocol) -> dict[str, Any]:
    """One PvAnswer as plain values."""
    return {
        "id": str(pv.id),
        "setpointAddress": pv.setpoint.short(default) if pv.setpoint else None,
        "readbackAddress": pv.readback.short(default) if pv.readback else None,
        "configAddress": pv.config.short(default) if pv.config else None,
        "device": pv.device,
        "description": pv.description,
        "absTolerance": pv.abs_tolerance,
        "relTolerance": pv.rel_tolerance,
        "readOnly": pv.read_only,
        "tags": [
            {
                "id": str(tag.id),
                "name": tag.name,
                "description": tag.description,
                "groupId": str(tag.group_id),
                "groupName": tag.group_name,
            }
            for tag in pv.tags
        ],
        "createdDate": pv.created_at,
        "lastModifiedDate": pv.modified_at,
        "createdBy": pv.created_by,
        "lastModifiedBy": pv.modified_by,
    }


def import_json(report: ImportReport) -> dict[str, Any]:
    """An ImportAnswer as plain values."""
    rows = [{"line": row.line, "pvName": row.name, "outcome": row.outcome, "reason": row.reason} for row in report.rows]
    return {
        "dryRun": report.dry_run,
        **{str(outcome): report.count(outcome) for outcome in Outcome},
        "groupsCreated": report.groups_created,
        "tagsCreated": report.tags_created,
        "rows": rows,
    }


_tag_filters = TypeAdapter(dict[BodyId, list[BodyId]])


def read_tag_filters(text: str | None) -> dict[int, tuple[int, ...]]:
    """`{groupId: [tagId]}` from a query; a group without tags is no filter. Raises Invalid."""
    if not text:
        return {}
    try:
        filters = _tag_filters.validate_json(text)
    except ValidationError as exc:
        message = "must be JSON, group id to a list of tag ids"
        raise Invalid(f"tagFilters {message}", errors=[FieldError(("query", "tagFilters"), message)]) from exc
    return {group: tuple(tags) for group, tags in filters.items() if tags}
