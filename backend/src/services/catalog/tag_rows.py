"""Tag groups and tags in SQL: read, and written within the catalogue's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from backend.src.core.errors import Conflict, NotFound
from backend.src.infra.sql.bulk import insert_rows
from backend.src.infra.sql.tables import pv_tags, tag_groups, tags
from backend.src.services.catalog.models import (
    BulkTagsReport,
    Tag,
    TagChanges,
    TagDraft,
    TagGroup,
    TagGroupSummary,
)


class TagGroupNotFound(NotFound):
    """The id names no tag group."""

    def __init__(self, group_id: int) -> None:
        super().__init__(f"tag group {group_id} not found")


class TagNotFound(NotFound):
    """The id names no tag of the group."""

    def __init__(self, group_id: int, tag_id: int) -> None:
        super().__init__(f"tag {tag_id} not found in group {group_id}")


def summaries(connection: Connection) -> list[TagGroupSummary]:
    """Every group with the number of its tags, in name order."""
    counted = func.count(tags.c.id)
    query = (
        select(tag_groups.c.id, tag_groups.c.name, tag_groups.c.description, counted)
        .outerjoin(tags, tags.c.group_id == tag_groups.c.id)
        .group_by(tag_groups.c.id, tag_groups.c.name, tag_groups.c.description)
        .order_by(tag_groups.c.name)
    )
    return [TagGroupSummary(*row) for row in connection.execute(query)]


def group(connection: Connection, group_id: int) -> TagGroup:
    """One group with its tags. Raises TagGroupNotFound."""
    row = connection.execute(select(tag_groups).where(tag_groups.c.id == group_id)).mappings().one_or_none()
    if row is None:
        raise TagGroupNotFound(group_id)
    query = select(tags.c.id, tags.c.name, tags.c.description).where(tags.c.group_id == group_id)
    members = tuple(Tag(*tag) for tag in connection.execute(query.order_by(tags.c.name)))
    return TagGroup(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        tags=members,
        created_at=row["created_at"],
        modified_at=row["modified_at"],
    )


def add_group(connection: Connection, draft: TagDraft, now: datetime) -> int:
    """Inserts a group and returns its id. Raises Conflict when the name is taken."""
    if connection.execute(select(tag_groups.c.id).where(tag_groups.c.name == draft.name)).first():
        raise Conflict(f"there is a tag group {draft.name!r} already")
    values = {"name": draft.name, "description": draft.description, "created_at": now, "modified_at": now}
    return _new_id(connection.execute(insert(tag_groups).values(values)).inserted_primary_key)


def change_group(connection: Connection, group_id: int, changes: TagChanges, now: datetime) -> None:
    """Renames or describes a group. Raises TagGroupNotFound, Conflict."""
    group(connection, group_id)
    taken = select(tag_groups.c.id).where(tag_groups.c.name == changes.get("name"), tag_groups.c.id != group_id)
    if "name" in changes and connection.execute(taken).first():
        raise Conflict(f"there is a tag group {changes['name']!r} already")
    connection.execute(update(tag_groups).where(tag_groups.c.id == group_id).values(modified_at=now, **changes))


def remove_group(connection: Connection, group_id: int, *, force: bool) -> None:
    """Deletes a group with its tags. Raises TagGroupNotFound; Conflict when PVs carry them, unless forced."""
    found = group(connection, group_id)
    members = select(tags.c.id).where(tags.c.group_id == group_id)
    links = pv_tags.c.tag_id.in_(members)
    users = connection.execute(select(func.count(pv_tags.c.pv_id.distinct())).where(links)).scalar_one()
    if users and not force:
        raise Conflict(f"{users} PVs carry tags of {found.name!r}", remedy="use force=true to take the tags off them")
    connection.execute(delete(tag_groups).where(tag_groups.c.id == group_id))


def add_tag(connection: Connection, group_id: int, draft: TagDraft, now: datetime, *, skip_duplicates: bool) -> bool:
    """Inserts a tag; False when it was there and may be skipped. Raises TagGroupNotFound, Conflict."""
    found = group(connection, group_id)
    if any(tag.name == draft.name for tag in found.tags):
        if skip_duplicates:
            return False
        raise Conflict(f"there is a tag {draft.name!r} in {found.name!r} already")
    connection.execute(insert(tags).values(group_id=group_id, name=draft.name, description=draft.description))
    _touch(connection, group_id, now)
    return True


def change_tag(connection: Connection, group_id: int, tag_id: int, changes: TagChanges, now: datetime) -> None:
    """Renames or describes a tag. Raises TagGroupNotFound, TagNotFound, Conflict."""
    found = group(connection, group_id)
    _check_member(found, tag_id)
    if any(tag.name == changes.get("name") and tag.id != tag_id for tag in found.tags):
        raise Conflict(f"there is a tag {changes['name']!r} in {found.name!r} already")
    if changes:
        connection.execute(update(tags).where(tags.c.id == tag_id).values(**changes))
    _touch(connection, group_id, now)


def remove_tag(connection: Connection, group_id: int, tag_id: int, now: datetime) -> None:
    """Deletes a tag and takes it off its PVs. Raises TagGroupNotFound, TagNotFound."""
    _check_member(group(connection, group_id), tag_id)
    connection.execute(delete(tags).where(tags.c.id == tag_id))
    _touch(connection, group_id, now)


def add_many(connection: Connection, groups: Mapping[str, Sequence[TagDraft]], now: datetime) -> BulkTagsReport:
    """Makes groups and tags that are not there yet; those that are stay as they are, with a warning each."""
    group_ids = {name: found for found, name in connection.execute(select(tag_groups.c.id, tag_groups.c.name))}
    new_groups = [name for name in groups if name not in group_ids]
    for name in new_groups:
        group_ids[name] = add_group(connection, TagDraft(name), now)
    present = {(group_id, name) for group_id, name in connection.execute(select(tags.c.group_id, tags.c.name))}
    new_tags: dict[tuple[int, str], TagDraft] = {}
    warnings: list[str] = []
    for group_name, draft in _flat(groups):
        key = (group_ids[group_name], draft.name)
        if key in present or key in new_tags:
            warnings.append(f"tag {draft.name!r} is in {group_name!r} already")
        else:
            new_tags[key] = draft
    rows = [{"group_id": key[0], "name": key[1], "description": draft.description} for key, draft in new_tags.items()]
    insert_rows(connection, tags, rows)
    for group_id in {key[0] for key in new_tags}:
        _touch(connection, group_id, now)
    return BulkTagsReport(len(new_groups), len(new_tags), len(warnings), tuple(warnings))


def _flat(groups: Mapping[str, Sequence[TagDraft]]) -> Iterable[tuple[str, TagDraft]]:
    return ((name, draft) for name, drafts in groups.items() for draft in drafts)


def _check_member(found: TagGroup, tag_id: int) -> None:
    if all(tag.id != tag_id for tag in found.tags):
        raise TagNotFound(found.id, tag_id)


def _touch(connection: Connection, group_id: int, now: datetime) -> None:
    connection.execute(update(tag_groups).where(tag_groups.c.id == group_id).values(modified_at=now))


def _new_id(key: object) -> int:
    assert isinstance(key, Sequence)
    return int(key[0])
