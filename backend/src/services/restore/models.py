"""What a restore is asked for, planned and remembered by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.src.core.errors import Conflict, NotFound
from backend.src.infra.epics.frame import Frame
from backend.src.services.catalog import Selection
from backend.src.services.snapshots.capture import Capture, Ints
from backend.src.services.snapshots.models import selection_from_json, selection_to_json

JOB_TYPE = "snapshot_restore"


class Verdict(StrEnum):
    """What is to become of one PV. Only WRITE is ever written."""

    WRITE = "write"
    EQUAL = "equal"
    READ_ONLY = "read_only"
    NOT_CAPTURED = "not_captured"
    DISCONNECTED = "disconnected"
    NO_ACCESS = "no_access"
    TYPE_MISMATCH = "type_mismatch"
    OUTSIDE_LIMITS = "outside_limits"


class Result(StrEnum):
    """What became of one PV. RESTORED: written, completed and read back. UNKNOWN: the restore died; look at the PV."""

    RESTORED = "restored"
    NOT_VERIFIED = "not_verified"
    TIMED_OUT = "timed_out"
    DISCONNECTED = "disconnected"
    NO_ACCESS = "no_access"
    FAILED = "failed"
    ABORTED = "aborted"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


VERDICTS = tuple(Verdict)
RESULTS = tuple(Result)
Codes = npt.NDArray[np.uint8]  # positions in VERDICTS or RESULTS


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How to restore. timeout_s: for a put to complete, None for the configured one; timeouts_s: for single PVs, by id.

    wait: for completion of each put. include_stale: also values that nobody vouched for when they were saved.
    ignore_limits: also values outside the control limits of today.
    """

    timeout_s: float | None = None
    timeouts_s: Mapping[int, float] = field(default_factory=dict)
    wait: bool = True
    include_stale: bool = False
    ignore_limits: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it travels in a job and lies in a plan."""
        return {
            "timeout": self.timeout_s,
            "timeouts": {str(pv_id): timeout_s for pv_id, timeout_s in self.timeouts_s.items()},
            "wait": self.wait,
            "includeStale": self.include_stale,
            "ignoreLimits": self.ignore_limits,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RestoreOptions:
        """The inverse of to_json."""
        timeouts_s = {int(pv_id): timeout_s for pv_id, timeout_s in stored["timeouts"].items()}
        return cls(stored["timeout"], timeouts_s, stored["wait"], stored["includeStale"], stored["ignoreLimits"])


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which PVs of a snapshot to put back, and how. selection.everything: all that it holds."""

    selection: Selection
    excluded: frozenset[int] = frozenset()
    options: RestoreOptions = field(default_factory=RestoreOptions)

    def to_json(self) -> dict[str, Any]:
        """As it travels in a job."""
        return {
            "selection": selection_to_json(self.selection),
            "excluded": sorted(self.excluded),
            "options": self.options.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RestoreRequest:
        """The inverse of to_json."""
        return cls(
            selection_from_json(stored["selection"]),
            frozenset(stored["excluded"]),
            RestoreOptions.from_json(stored["options"]),
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """n PVs: verdicts uint8[n], and why."""

    verdicts: Codes
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore would do. pv_rows int64[n]: rows of the snapshot's PVs; judgement: one verdict for each."""

    id: str
    snapshot_id: str
    snapshot_sha256: str
    created_at: datetime
    expires_at: datetime
    actor: str
    options: RestoreOptions
    pv_rows: Ints
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan to be looked at. target: the snapshot's PVs; current: n readings of their setpoints of just now."""

    plan: Plan
    target: Capture
    current: Frame


class PlanNotFound(NotFound):
    """The id names no plan of this snapshot, or one that was executed already."""

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"plan {plan_id} not found", remedy="a plan is executed once at most: plan again")


class PlanExpired(Conflict):
    """The machine may have moved on since."""

    def __init__(self, plan_id: str, expires_at: datetime) -> None:
        super().__init__(f"plan {plan_id} expired at {expires_at.isoformat()}", remedy="plan again")


class OutcomesNotFound(NotFound):
    """The job is no restore, or wrote nothing yet."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} has no outcomes")
