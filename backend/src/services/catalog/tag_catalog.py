"""Tag groups and their tags: made, changed, deleted, listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection

from backend.src.infra.sql import CacheKind
from backend.src.services.catalog import tag_rows
from backend.src.services.catalog.cached_forms import group_from, plain_group
from backend.src.services.catalog.catalog import CatalogStore
from backend.src.services.catalog.drafts import checked_tag, checked_tag_changes, required_name
from backend.src.services.catalog.models import BulkTagsReport, TagChanges, TagDraft, TagGroup, TagGroupSummary

TABLES = ("tags", "tag_groups")


class TagCatalog:
    """The tags of the catalogue; its writes raise the catalogue's version, for PVs carry tags."""

    def __init__(self, store: CatalogStore) -> None:
        self._store = store
        self._sql = store.sql

    async def groups(self) -> list[TagGroupSummary]:
        """Every group, in name order."""
        plain = await self._sql.cached(
            CacheKind.SCHEMA,
            "tag_groups",
            TABLES,
            lambda connection: [asdict(group) for group in tag_rows.summaries(connection)],
        )
        return [TagGroupSummary(**group) for group in plain]

    async def group(self, group_id: int) -> TagGroup:
        """One group with its tags. Raises TagGroupNotFound."""
        plain = await self._sql.cached(
            CacheKind.SCHEMA,
            f"tag_group:{group_id}",
            TABLES,
            lambda connection: plain_group(tag_rows.group(connection, group_id)),
        )
        return group_from(plain)

    async def create_group(self, draft: TagDraft) -> TagGroup:
        """Adds a group. Raises Conflict when the name is taken."""
        draft, now = checked_tag(draft), self._store.clock.now()

        def work(connection: Connection) -> TagGroup:
            return tag_rows.group(connection, tag_rows.add_group(connection, draft, now))

        return await self._store.write(work)

    async def update_group(self, group_id: int, changes: TagChanges) -> TagGroup:
        """Renames or describes a group. Raises TagGroupNotFound, Conflict."""
        changes, now = checked_tag_changes(changes), self._store.clock.now()

        def work(connection: Connection) -> TagGroup:
            tag_rows.change_group(connection, group_id, changes, now)
            return tag_rows.group(connection, group_id)

        return await self._store.write(work)

    async def delete_group(self, group_id: int, *, force: bool = False) -> None:
        """Deletes a group with its tags. Raises TagGroupNotFound; Conflict when PVs carry them, unless forced."""
        await self._store.write(lambda connection: tag_rows.remove_group(connection, group_id, force=force))

    async def add_tag(self, group_id: int, draft: TagDraft, *, skip_duplicates: bool = False) -> tuple[TagGroup, bool]:
        """Adds a tag; the group and whether the tag is new. Raises TagGroupNotFound, Conflict."""
        draft, now = checked_tag(draft), self._store.clock.now()

        def work(connection: Connection) -> tuple[TagGroup, bool]:
            added = tag_rows.add_tag(connection, group_id, draft, now, skip_duplicates=skip_duplicates)
            return tag_rows.group(connection, group_id), added

        return await self._store.write(work, changed=lambda result: result[1])

    async def update_tag(self, group_id: int, tag_id: int, changes: TagChanges) -> TagGroup:
        """Renames or describes a tag. Raises TagGroupNotFound, TagNotFound, Conflict."""
        changes, now = checked_tag_changes(changes), self._store.clock.now()

        def work(connection: Connection) -> TagGroup:
            tag_rows.change_tag(connection, group_id, tag_id, changes, now)
            return tag_rows.group(connection, group_id)

        return await self._store.write(work)

    async def delete_tag(self, group_id: int, tag_id: int) -> None:
        """Deletes a tag and takes it off its PVs. Raises TagGroupNotFound, TagNotFound."""
        now = self._store.clock.now()
        await self._store.write(lambda connection: tag_rows.remove_tag(connection, group_id, tag_id, now))

    async def add_many(self, groups: Mapping[str, Sequence[TagDraft]]) -> BulkTagsReport:
        """Makes groups and tags that are missing; those that are there stay, with a warning each. Raises Invalid."""
        checked: dict[str, list[TagDraft]] = {}
        for name, tags in groups.items():
            checked.setdefault(required_name(name), []).extend(checked_tag(tag) for tag in tags)
        now = self._store.clock.now()
        return await self._store.write(lambda connection: tag_rows.add_many(connection, checked, now))
