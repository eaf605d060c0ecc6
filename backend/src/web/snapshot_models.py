"""What goes over the wire about snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from backend.src.services.catalog import Selection
from backend.src.services.snapshots import SnapshotChanges, SnapshotDraft
from backend.src.web.camera_models import Cameras
from backend.src.web.inputs import BodyId, Labels, Name, Text
from backend.src.web.models import RequestModel, ResponseModel

MOST_PVS = 200_000
MOST_TAGS = 1_000
LONGEST_PATTERN = 255

PvIds = Annotated[list[BodyId], Field(max_length=MOST_PVS)]
TagIds = Annotated[list[BodyId], Field(max_length=MOST_TAGS)]
TagFilters = Annotated[dict[BodyId, TagIds], Field(max_length=MOST_TAGS)]
PvPattern = Annotated[str, StringConstraints(max_length=LONGEST_PATTERN, pattern=r"^[^\x00]*$")]


class PvSelection(RequestModel):
    """Some PVs: those that meet every criterion given. With none of the three, all; an empty one is refused.

    tagFilters: one of the tags within a group, and that for every group. pvPattern: * and ?, on a whole address.
    """

    pv_ids: PvIds | None = None
    tag_filters: TagFilters | None = None
    pv_pattern: PvPattern | None = None

    @property
    def names_some(self) -> bool:
        """Whether any of the criteria was given."""
        return any(given is not None for given in (self.pv_ids, self.tag_filters, self.pv_pattern))

    def selection(self) -> Selection:
        """What the services take."""
        filters = self.tag_filters
        return Selection(
            pv_ids=None if self.pv_ids is None else tuple(self.pv_ids),
            tag_filters=None if filters is None else {group: tuple(tags) for group, tags in filters.items()},
            pattern=self.pv_pattern,
            everything=not self.names_some,
        )


class NewSnapshot(PvSelection):
    """A snapshot to take."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Before the shutdown", "labels": ["weekly"], "pvPattern": "QUAD:*"}]}
    )

    title: Name
    description: Text | None = None
    labels: Labels = Field(default_factory=list)
    cameras: Cameras = Field(default=False, description="their PVs, or true for all: a picture of each is kept")

    def pictured(self, known: Sequence[str]) -> tuple[str, ...]:
        """The cameras asked for, each once. known: all there are."""
        if isinstance(self.cameras, bool):
            return tuple(known) if self.cameras else ()
        return tuple(dict.fromkeys(name.removeprefix("pva://") for name in self.cameras))

    def draft(self) -> SnapshotDraft:
        """What is said of it."""
        return SnapshotDraft(self.title, self.description, tuple(self.labels))


class ChangedSnapshot(RequestModel):
    """What is said of a snapshot. A field left out stays as it is; null clears a description, and nothing else."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Golden orbit", "golden": True}]})

    title: Name | None = None
    description: Text | None = None
    labels: Labels | None = None
    golden: bool | None = None

    def changes(self) -> SnapshotChanges:
        """The fields that were given, and no others."""
        changes = SnapshotChanges()
        if self.title is not None:
            changes["title"] = self.title
        if "description" in self.model_fields_set:
            changes["description"] = self.description
        if self.labels is not None:
            changes["labels"] = tuple(self.labels)
        if self.golden is not None:
            changes["golden"] = self.golden
        return changes


class JobStarted(ResponseModel):
    """The work goes on as a job: GET /v1/jobs/{jobId}."""

    job_id: str = Field(examples=["4b1d8e07c2a96f35"])
    message: str = Field(examples=["saving 'Before the shutdown'"])


class SnapshotCounts(ResponseModel):
    """PVs by their worst channel: disconnected, else stale, else captured; and how many are in alarm besides."""

    captured: int = Field(examples=[39998])
    stale: int = Field(examples=[0])
    disconnected: int = Field(examples=[2])
    alarm: int = Field(examples=[12])


class SnapshotPicture(ResponseModel):
    """A camera of a snapshot; error: why there is no picture."""

    pv: str = Field(examples=["PROF:LI21:1"])
    error: str | None


class SnapshotSummary(ResponseModel):
    """A snapshot without its values. source: live, or read for a forced read."""

    id: str = Field(examples=["9f2c4e1a7b3d5f60"])
    title: str = Field(examples=["Before the shutdown"])
    description: str | None = Field(examples=["Everything, as it ran on Friday"])
    created_date: datetime
    created_by: str | None = Field(examples=["Ann Smith (user 5)"])
    pv_count: int = Field(examples=[40000])
    labels: list[str] = Field(examples=[["weekly"]])
    golden: bool
    source: str = Field(examples=["live"])
    counts: SnapshotCounts
    size_bytes: int = Field(examples=[721408])
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    cameras: list[SnapshotPicture]


class SnapshotTag(ResponseModel):
    """A tag that a PV had when the snapshot was made."""

    id: str = Field(examples=["4"])
    name: str = Field(examples=["LI21"])
    group_name: str = Field(examples=["Area"])


class EpicsValue(ResponseModel):
    """A value as it was saved. NaN and infinities are texts; times in seconds since 1970, timestampNs exact."""

    value: Any = Field(examples=[1.25])
    status: str | None = Field(examples=["NO_ALARM"])
    severity: int | None = Field(examples=[0])
    timestamp: float | None = Field(examples=[1772440200.25])
    timestamp_ns: int | None = Field(examples=[1772440200250000000])
    units: str | None = Field(examples=["kG"])
    precision: int | None = Field(examples=[3])
    upper_ctrl_limit: float | str | None = Field(alias="upper_ctrl_limit")
    lower_ctrl_limit: float | str | None = Field(alias="lower_ctrl_limit")
    enum_label: str | None
    type: str = Field(examples=["double"])
    connected: bool
    age_seconds: float | None = Field(examples=[0.8])
    stale: bool


class PvValue(ResponseModel):
    """One PV of a snapshot; status, severity and timestamp are those of its first value."""

    pv_id: str = Field(examples=["17"])
    pv_name: str = Field(examples=["QUAD:LI21:201:BDES"])
    setpoint_name: str | None = Field(examples=["QUAD:LI21:201:BDES"])
    readback_name: str | None = Field(examples=["QUAD:LI21:201:BACT"])
    config_name: str | None
    setpoint_value: EpicsValue | None
    readback_value: EpicsValue | None
    config_value: EpicsValue | None
    status: str | None = Field(examples=["NO_ALARM"])
    severity: int | None = Field(examples=[0])
    timestamp: float | None = Field(examples=[1772440200.25])
    tags: list[SnapshotTag]


class SnapshotAnswer(SnapshotSummary):
    """A snapshot with its values, in name order."""

    pv_values: list[PvValue]


class Difference(ResponseModel):
    """One field of a PV in both. label: of an enum; delta: value2 - value1, for arrays the largest element's."""

    pv_id: str = Field(examples=["17"])
    pv_name: str = Field(examples=["QUAD:LI21:201:BDES"])
    field: str = Field(examples=["setpoint"])
    value1: Any = Field(examples=[1.25])
    value2: Any = Field(examples=[1.75])
    label1: str | None
    label2: str | None
    connected1: bool
    connected2: bool
    within_tolerance: bool
    delta: float | int | str | None = Field(examples=[0.5])


class LonelyField(ResponseModel):
    """A field that only one of the two has."""

    pv_id: str = Field(examples=["18"])
    pv_name: str = Field(examples=["QUAD:LI21:211:BDES"])
    field: str = Field(examples=["setpoint"])


class ComparisonAnswer(ResponseModel):
    """In name order. source2: live or read; stale2: values of the second that nobody vouches for."""

    snapshot1_id: str = Field(examples=["9f2c4e1a7b3d5f60"])
    snapshot2_id: str = Field(examples=["live"])
    differences: list[Difference]
    match_count: int = Field(examples=[39999])
    difference_count: int = Field(examples=[1])
    only_in_1: list[LonelyField] = Field(alias="onlyIn1")
    only_in_2: list[LonelyField] = Field(alias="onlyIn2")
    source2: str = Field(examples=["live"])
    stale2: int = Field(examples=[0])


class HistoryValue(ResponseModel):
    """What one snapshot has of a channel."""

    snapshot_id: str = Field(examples=["9f2c4e1a7b3d5f60"])
    title: str = Field(examples=["Before the shutdown"])
    created_date: datetime
    pv_id: str = Field(examples=["17"])
    pv_name: str = Field(examples=["QUAD:LI21:201:BDES"])
    field: str = Field(examples=["setpoint"])
    value: EpicsValue
