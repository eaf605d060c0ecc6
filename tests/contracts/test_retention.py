"""What is removed and what stays, over both databases."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, delete, func, insert, select, update

from backend.src.config.settings import BucketSettings, CameraSettings, JobSettings, RetentionSettings, SqlSettings
from backend.src.core.errors import Invalid
from backend.src.core.supervisor import Supervisor
from backend.src.infra.bucket import Bucket
from backend.src.infra.sql import SQL, migrate, tables
from backend.src.services.audit import Audit, AuditEntry, AuditFilters
from backend.src.services.cameras import Cameras, Clips
from backend.src.services.jobs import Jobs
from backend.src.services.restore import Restores, RestoreSettings
from backend.src.services.retention import ExpiredRows, History, Retention, RuleNotFound, batches
from backend.src.services.snapshots import SnapshotChanges, SnapshotOptions, Snapshots
from tests.manual_clock import START, ManualClock
from tests.servers.mariadb import MariaDb

SETTINGS = RetentionSettings(jobs_days=10, audit_days=20, mail_days=5, before_restore_days=90, scheduled_days=30)
NOBODY: Any = None


class Site:
    """The services around one database and one folder; time is START plus what a test lets pass."""

    def __init__(self, sql: SQL, bucket: Bucket) -> None:
        self.sql, self.bucket, self.clock = sql, bucket, ManualClock()
        self.snapshots = Snapshots(sql, bucket, NOBODY, NOBODY, NOBODY, self.clock, SnapshotOptions())
        self.jobs = Jobs(sql, NOBODY, self.clock, Supervisor(), JobSettings())
        self.audit = Audit(sql, self.clock)
        restores = Restores(sql, bucket, self.snapshots, NOBODY, NOBODY, self.jobs, self.clock, RestoreSettings())
        self.history = History(sql, self.jobs, restores, self.clips(0), self.audit, self.clock, SETTINGS)
        self.retention = Retention(sql, self.snapshots, self.clock, SETTINGS)
        self.expired = ExpiredRows(sql, self.clock, lockout_longest_s=900)

    def clips(self, days: int) -> Clips:
        cameras = Cameras(CameraSettings(clip_days=days), NOBODY, self.clock, Supervisor(), answer_s=1.0)
        return Clips(cameras, NOBODY, self.bucket, self.jobs, self.clock)

    def ago(self, **delta: float) -> datetime:
        return self.clock.now() - timedelta(**delta)

    async def add(self, table: Table, *rows: dict[str, Any]) -> None:
        await self.sql.write(lambda db: db.execute(insert(table), list(rows)) and None)

    async def count(self, table: Table) -> int:
        return await self.sql.read(lambda db: db.scalar(select(func.count()).select_from(table))) or 0

    async def snapshot(self, days_old: float, *labels: str, golden: bool = False) -> str:
        """One in SQL and in the bucket."""
        name = secrets.token_hex(8)
        row = {"id": name, "title": name, "labels": list(labels), "golden": golden, "source": "live", "sha256": "0"}
        row |= {"archive_key": f"snapshots/{name}.parquet", "created_at": self.ago(days=days_old), "size_bytes": 7}
        await self.bucket.put(f"snapshots/{name}.parquet", b"content", "x")
        await self.add(tables.snapshots, row)
        if labels:
            await self.add(tables.snapshot_labels, *({"snapshot_id": name, "label": label} for label in labels))
        return name

    async def left(self) -> set[str]:
        """Snapshots in SQL, which are those in the bucket too."""
        ids = await self.sql.read(lambda db: set(db.scalars(select(tables.snapshots.c.id))))
        keys = {found.key for found in await self.bucket.keys("snapshots/")}
        assert keys == {f"snapshots/{name}.parquet" for name in ids}
        return ids


@pytest.fixture(scope="module")
def migrated(mariadb: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[SqlSettings, Path]]:
    """One database of each kind for all tests: making its tables takes longer than a test."""
    folder = tmp_path_factory.mktemp("retention")
    kinds = {"sqlite": (SqlSettings(threads=4), folder), "mariadb": (mariadb.database(), folder)}
    for settings, path in kinds.values():
        asyncio.run(migrate(settings, path))
    return kinds


@pytest.fixture(params=["sqlite", "mariadb"])
async def sql(request: pytest.FixtureRequest, migrated: dict[str, tuple[SqlSettings, Path]]) -> AsyncIterator[SQL]:
    settings, folder = migrated[request.param]
    sql: SQL = SQL.build(settings, folder)
    await sql.start()
    yield sql
    await sql.write(lambda db: [db.execute(delete(table)) for table in reversed(tables.metadata.sorted_tables)])
    await sql.stop()


@pytest.fixture
async def site(sql: SQL, tmp_path: Path) -> AsyncIterator[Site]:
    bucket = Bucket.build(BucketSettings(), tmp_path)
    await bucket.start()
    site = Site(sql, bucket)
    site.clock.advance(timedelta(days=3650).total_seconds())
    yield site
    await bucket.stop()


# ---- snapshots ----


@pytest.mark.parametrize("golden", [False, True])
async def test_snapshots_go_when_the_time_of_every_ruled_label_is_over(site: Site, golden: bool) -> None:
    await site.retention.set_rule("shift", 7, "me")
    await site.retention.set_rule("study", 0, "me")
    stay = [
        await site.snapshot(4000),
        await site.snapshot(4000, "no rule"),
        await site.snapshot(29.9, "scheduled"),
        await site.snapshot(31, "scheduled", "before-restore"),
        await site.snapshot(31, "scheduled", "study"),
        await site.snapshot(6.9, "shift"),
    ]
    go = [
        await site.snapshot(30.1, "scheduled", golden=golden),
        await site.snapshot(90.1, "scheduled", "before-restore", golden=golden),
        await site.snapshot(7.1, "shift", "no rule", golden=golden),
    ]
    preview = await site.retention.preview()
    assert {found.id for found in preview.page} == (set() if golden else set(go))
    assert (preview.total, preview.size_bytes) == ((0, 0) if golden else (3, 21))
    assert await site.retention.run() == ("" if golden else "removed 3 snapshots")
    assert await site.left() == {*stay, *(go if golden else ())}
    assert await site.retention.run() == ""


async def test_a_rule_set_here_goes_before_the_configurations(site: Site) -> None:
    kept = await site.snapshot(400, "scheduled")
    await site.retention.set_rule("scheduled", 0, "me")
    assert await site.retention.run() == ""
    rules = {rule.label: (rule.keep_days, rule.modified_by) for rule in await site.retention.rules()}
    assert rules == {"before-restore": (90, None), "scheduled": (0, "me")}
    assert await site.left() == {kept}
    await site.retention.remove_rule("scheduled")
    assert await site.retention.run() == "removed 1 snapshots"


async def test_rules_that_make_no_sense_are_refused(site: Site) -> None:
    with pytest.raises(RuleNotFound):
        await site.retention.remove_rule("scheduled")
    for days in (-1, 36_501):
        with pytest.raises(Invalid):
            await site.retention.set_rule("x", days, "me")


@pytest.mark.parametrize(("status", "stays"), [("pending", True), ("running", True), ("completed", False)])
async def test_what_a_restore_uses_stays(site: Site, status: str, stays: bool) -> None:
    used = await site.snapshot(100, "scheduled")
    job = await site.jobs.create("snapshot_restore", {"snapshotId": used}, actor="me")
    await site.sql.write(lambda db: db.execute(update(tables.jobs).values(status=status)) and None)
    assert (await site.retention.preview()).total == (0 if stays else 1)
    assert await site.retention._remove(used) is not stays, "asked again in the transaction that deletes"
    assert await site.left() == ({used} if stays else set()), job.id


async def test_a_snapshot_that_changed_after_it_was_chosen_stays(site: Site) -> None:
    changed = [await site.snapshot(100, "scheduled") for _ in range(2)]
    assert (await site.retention.preview()).total == 2
    await site.snapshots.update(changed[0], SnapshotChanges(labels=("scheduled", "study")))
    await site.retention.set_rule("study", 0, "me")
    await site.snapshots.update(changed[1], SnapshotChanges(golden=True))
    assert [await site.retention._remove(name) for name in changed] == [False, False]
    assert await site.retention._remove("f" * 16) is False, "somebody was quicker"


async def test_the_preview_comes_in_pages(site: Site) -> None:
    names = [await site.snapshot(100 + age, "scheduled") for age in range(5)]
    found, after = [], None
    while True:
        preview = await site.retention.preview(after=after, limit=2)
        found += [snapshot.id for snapshot in preview.page]
        after = preview.next_after
        if after is None:
            break
    assert (found, preview.total) == (names[::-1], 5)


# ---- jobs, audit trail, mail ----


async def test_ended_jobs_go_with_their_outcomes(site: Site) -> None:
    kinds = {"old": ("completed", 11), "young": ("failed", 9), "long": ("running", 400), "waits": ("pending", 400)}
    for name, (status, days) in kinds.items():
        ended = None if status in ("running", "pending") else site.ago(days=days)
        row = {"id": name, "type": "snapshot_restore", "status": status, "created_at": site.ago(days=days + 1)}
        await site.add(tables.jobs, row | {"completed_at": ended})
        await site.bucket.put(f"restores/{name}.parquet", b"outcomes", "x")
    assert await site.history.remove_jobs() == "removed 1 jobs"
    left = {found.key for found in await site.bucket.keys("restores/")}
    assert left == {f"restores/{name}.parquet" for name in ("young", "long", "waits")}
    assert await site.count(tables.jobs) == 3
    assert await site.history.remove_jobs() == ""


async def test_a_clip_goes_with_its_job_and_before_when_it_is_old(site: Site) -> None:
    row = {"type": "camera_clip", "status": "completed", "created_at": site.ago(days=12)}
    for name, days in {"old": 11, "kept": 9}.items():
        await site.add(tables.jobs, row | {"id": name, "completed_at": site.ago(days=days)})
    others = ("of-another-larder.mp4", "kept", "kept.mp4.txt")
    for name in ("old.mp4", "kept.mp4", *others):
        await site.bucket.put(f"clips/{name}", b"film", "x")

    assert await site.history.remove_jobs() == "removed 1 jobs"
    assert await clips_in(site.bucket) == {"kept.mp4", *others}
    await site.add(tables.jobs, row | {"id": "of-another-kind", "type": "snapshot_restore", "completed_at": START})
    await site.bucket.put("clips/of-another-kind.mp4", b"film", "x")
    assert [await site.clips(days).clean_up() for days in (0, 36_500, 2)] == [0, 0, 1]
    assert await clips_in(site.bucket) == {"of-another-kind.mp4", *others}


async def clips_in(bucket: Bucket) -> set[str]:
    return {found.key.removeprefix("clips/") for found in await bucket.keys("clips/")}


async def test_the_audit_trail_keeps_its_days(site: Site) -> None:
    for days in (0, 12, 12):
        site.clock.advance(timedelta(days=days).total_seconds())
        await site.audit.note(AuditEntry(f"after {days}"))
    assert await site.history.remove_audit() == "removed 1 entries of the audit trail"
    assert len(await site.audit.entries(AuditFilters(), limit=10)) == 2


async def test_mail_that_waits_stays(site: Site) -> None:
    common = {"recipient": "a@b.example", "subject": "s", "created_at": site.ago(days=6)}
    common |= {"attempts": 1, "give_up_at": site.ago(days=4)}
    states = ("sent", "failed", "waiting", "sending")
    await site.add(tables.outbox, *({**common, "status": s, "message_id": s} for s in states))
    await site.add(tables.outbox, {**common, "status": "sent", "message_id": "new", "created_at": site.ago(days=4)})
    assert await site.history.remove_mail() == "removed 2 mails"
    assert await site.count(tables.outbox) == 3


async def test_nought_days_are_for_ever(site: Site) -> None:
    for_ever = RetentionSettings(jobs_days=0, audit_days=0, mail_days=0, before_restore_days=0, scheduled_days=0)
    history = History(site.sql, site.jobs, NOBODY, NOBODY, site.audit, site.clock, for_ever)
    site.clock.advance(-3650 * 86_400)
    await site.audit.note(AuditEntry("old"))
    site.clock.advance(3650 * 86_400)
    kept = await site.snapshot(4000, "scheduled", "before-restore")
    retention = Retention(site.sql, site.snapshots, site.clock, for_ever)
    told = [
        await history.remove_jobs(),
        await history.remove_audit(),
        await history.remove_mail(),
        await retention.run(),
    ]
    assert told == ["", "", "", ""]
    assert await site.left() == {kept}


# ---- what has expired ----


def session(name: str, expires_at: datetime, revoked_at: datetime | None = None) -> dict[str, Any]:
    times = {"created_at": START, "last_used_at": START, "expires_at": expires_at, "revoked_at": revoked_at}
    return {"id": name, "user_id": 1, "method": "password", **times}


def token(name: str, of: str, expires_at: datetime) -> dict[str, Any]:
    return {"token_hash": name, "session_id": of, "created_at": START, "expires_at": expires_at}


async def person(site: Site) -> None:
    row = {"id": 1, "name": "somebody", "role": "viewer", "created_at": START, "modified_at": START}
    await site.add(tables.users, row)


async def test_sessions_that_ended_a_week_ago_go_with_their_tokens(site: Site) -> None:
    await person(site)
    later = site.ago(days=-1)
    ended = (session("expired", site.ago(days=8)), session("revoked", later, site.ago(days=8)))
    live = (
        session("live", later),
        session("just ended", site.ago(days=6)),
        session("just revoked", later, site.ago(days=6)),
    )
    await site.add(tables.sessions, *ended, *live)
    tokens = (token("a", "expired", later), token("b", "revoked", later), token("c", "live", site.ago(days=2)))
    await site.add(tables.refresh_tokens, *tokens, token("d", "live", later), token("e", "just ended", later))
    assert await site.expired.run() == "removed 3 refresh tokens, 2 sessions"
    assert (await site.count(tables.sessions), await site.count(tables.refresh_tokens)) == (3, 2)
    assert await site.expired.run() == ""


async def test_codes_attempts_and_failures_go_when_nobody_can_use_them(site: Site) -> None:
    await person(site)
    both = {"old": site.ago(days=1.1), "used a moment ago": site.ago(hours=1), "live": site.ago(days=-1)}
    await site.add(tables.one_time_codes, *rows(both, "code_hash", purpose="reset", user_id=1))
    await site.add(
        tables.authorization_codes, *rows(both, "code_hash", client_id="docs", user_id=1, redirect_uri="http://x")
    )
    await site.add(tables.login_attempts, *rows(both, "state_hash", provider="p", data="d"))
    failures = [
        {"name_hash": "old", "last_failed_at": site.ago(days=2), "locked_until": site.ago(days=2)},
        {"name_hash": "locked", "last_failed_at": site.ago(days=2), "locked_until": site.ago(days=-1)},
        {"name_hash": "new", "last_failed_at": site.ago(hours=2), "locked_until": None},
    ]
    await site.add(tables.login_failures, *({**row, "failures": 3} for row in failures))
    told = "removed 1 codes, 1 authorization codes, 2 logins never finished, 1 login failures"
    assert await site.expired.run() == told
    assert await site.expired.run() == ""


def rows(expiries: dict[str, datetime], key: str, **more: Any) -> Iterable[dict[str, Any]]:
    return ({key: name, "created_at": START, "expires_at": moment, **more} for name, moment in expiries.items())


async def test_many_rows_go_some_at_a_time_and_others_write_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 100)
    old = ({"name_hash": f"{n:064}", "failures": 1, "last_failed_at": START} for n in range(450))
    await site.add(tables.login_failures, *old)
    writes: list[int] = []
    write = site.sql.write

    async def watched(work: Any, **options: Any) -> Any:
        writes.append(await write(work, **options))
        await site.audit._sql.read(lambda db: None)
        return writes[-1]

    monkeypatch.setattr(site.sql, "write", watched)
    assert await site.expired.run() == "removed 450 login failures"
    assert writes == [100, 100, 100, 100, 50]
