"""/v1/tags: tag groups and their tags."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import ConfigDict, Field

from backend.src.core.errors import Conflict
from backend.src.services.catalog import TagCatalog, TagDraft, TagGroup
from backend.src.services.catalog.models import TagChanges
from backend.src.web.access import Access
from backend.src.web.audit_trail import note_outcome
from backend.src.web.inputs import IdText, Name, PathId, Text
from backend.src.web.models import RequestModel, ResponseModel
from backend.src.web.routes import BodyLimit, Route

TAGS = ("Tags",)
BASE = "/v1/tags"
MOST_GROUPS = 10_000
MOST_TAGS = 100_000

SkipDuplicates = Annotated[bool, Query(description="a tag of this name that is there already is no conflict")]


class NewTag(RequestModel):
    """A tag or a group to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Magnet", "description": "Any coil"}]})

    name: Name
    description: Text | None = None

    def draft(self) -> TagDraft:
        """What the catalogue takes."""
        return TagDraft(self.name, self.description)


class ChangedTag(RequestModel):
    """New values of a tag or a group. A field left out stays; a null description clears it."""

    name: Name | None = None
    description: Text | None = None

    def changes(self) -> TagChanges:
        """The fields that were given, and no others."""
        changes = TagChanges()
        if self.name is not None:
            changes["name"] = self.name
        if "description" in self.model_fields_set:
            changes["description"] = self.description
        return changes


class BulkTags(RequestModel):
    """Group name to its tags, each a name or a name with a description."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"groups": {"Area": ["LI21", {"name": "LI22", "description": "Sector 22"}]}}]}
    )

    groups: Annotated[
        dict[Name, Annotated[list[Name | NewTag], Field(max_length=MOST_TAGS)]], Field(max_length=MOST_GROUPS)
    ]

    def drafts(self) -> dict[str, list[TagDraft]]:
        """What the catalogue takes."""
        return {
            group: [TagDraft(tag) if isinstance(tag, str) else tag.draft() for tag in tags]
            for group, tags in self.groups.items()
        }


class TagAnswer(ResponseModel):
    """A tag."""

    id: IdText
    name: str = Field(examples=["LI21"])
    description: str | None


class GroupAnswer(ResponseModel):
    """A group with its tags, in name order."""

    id: IdText
    name: str = Field(examples=["Area"])
    description: str | None
    tags: list[TagAnswer]
    created_date: datetime
    last_modified_date: datetime

    @classmethod
    def of(cls, group: TagGroup) -> Self:
        """The wire's form of a group."""
        return cls(
            id=str(group.id),
            name=group.name,
            description=group.description,
            tags=[TagAnswer(id=str(tag.id), name=tag.name, description=tag.description) for tag in group.tags],
            created_date=group.created_at,
            last_modified_date=group.modified_at,
        )


class GroupSummaryAnswer(ResponseModel):
    """A group without its tags."""

    id: IdText
    name: str = Field(examples=["Area"])
    description: str | None
    tag_count: int = Field(examples=[7])


class AddedTag(ResponseModel):
    """The group as it is now; wasCreated is false when the tag was there already."""

    group: GroupAnswer
    was_created: bool


class BulkTagsAnswer(ResponseModel):
    """What a bulk creation did; a warning names each tag that was there already."""

    groups_created: int = Field(examples=[1])
    tags_created: int = Field(examples=[2])
    tags_skipped: int = Field(examples=[0])
    warnings: list[str] = Field(examples=[["Area: LI21 is there already"]])


class TagsEndpoint:
    """Lists, makes, changes and deletes groups and tags."""

    def __init__(self, tags: TagCatalog) -> None:
        self._tags = tags

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, write, taken = Access.READ, Access.WRITE, (Conflict,)
        group, tags, tag = f"{BASE}/{{gid}}", f"{BASE}/{{gid}}/tags", f"{BASE}/{{gid}}/tags/{{tid}}"
        return (
            Route("GET", BASE, self.list_groups, access=read, summary="List tag groups", tags=TAGS),
            Route("GET", group, self.group, access=read, summary="One group, in a list of one", tags=TAGS),
            Route("POST", BASE, self.create_group, access=write, summary="Make a group", tags=TAGS, errors=taken),
            Route("PUT", group, self.update_group, access=write, summary="Change a group", tags=TAGS, errors=taken),
            Route("DELETE", group, self.delete_group, access=write, summary="Delete a group", tags=TAGS, errors=taken),
            Route("POST", tags, self.add_tag, access=write, summary="Add a tag to a group", tags=TAGS, errors=taken),
            Route("PUT", tag, self.update_tag, access=write, summary="Change a tag", tags=TAGS, errors=taken),
            Route("DELETE", tag, self.delete_tag, access=write, summary="Delete a tag", tags=TAGS),
            Route("POST", f"{BASE}/bulk", self.add_many, access=write, summary="Make groups and tags", tags=TAGS,
                  body_limit=BodyLimit.IMPORT),
        )  # fmt: skip

    async def list_groups(self) -> list[GroupSummaryAnswer]:
        """In name order, each with the number of its tags."""
        return [
            GroupSummaryAnswer(id=str(one.id), name=one.name, description=one.description, tag_count=one.tag_count)
            for one in await self._tags.groups()
        ]

    async def group(self, gid: PathId) -> list[GroupAnswer]:
        """A list of one, as older clients expect it."""
        return [GroupAnswer.of(await self._tags.group(gid))]

    async def create_group(self, new: NewTag) -> GroupAnswer:
        """A name is given once; 409 when it is taken."""
        group = await self._tags.create_group(new.draft())
        note_outcome(str(group.id))
        return GroupAnswer.of(group)

    async def update_group(self, gid: PathId, changed: ChangedTag) -> GroupAnswer:
        """A name is given once; 409 when it is taken."""
        return GroupAnswer.of(await self._tags.update_group(gid, changed.changes()))

    async def delete_group(
        self, gid: PathId, force: Annotated[bool, Query(description="also when PVs carry its tags")] = False
    ) -> bool:
        """Takes its tags off every PV; 409 when there are such PVs, unless forced."""
        await self._tags.delete_group(gid, force=force)
        return True

    async def add_tag(self, gid: PathId, new: NewTag, skip_duplicates: SkipDuplicates = False) -> AddedTag:
        """409 when the group has a tag of this name, unless duplicates are skipped."""
        group, created = await self._tags.add_tag(gid, new.draft(), skip_duplicates=skip_duplicates)
        if created:
            note_outcome(tag=str(max(tag.id for tag in group.tags)))  # the newest: the target is the group
        return AddedTag(group=GroupAnswer.of(group), was_created=created)

    async def update_tag(self, gid: PathId, tid: PathId, changed: ChangedTag) -> GroupAnswer:
        """A field left out stays; answers with the whole group."""
        return GroupAnswer.of(await self._tags.update_tag(gid, tid, changed.changes()))

    async def delete_tag(self, gid: PathId, tid: PathId) -> GroupAnswer:
        """Takes it off every PV; answers with the group that is left, as older clients expect it."""
        await self._tags.delete_tag(gid, tid)
        return GroupAnswer.of(await self._tags.group(gid))

    async def add_many(self, new: BulkTags) -> BulkTagsAnswer:
        """Makes what is missing and leaves what is there."""
        report = await self._tags.add_many(new.drafts())
        note_outcome(groups=report.groups_created, created=report.tags_created)
        return BulkTagsAnswer(
            groups_created=report.groups_created,
            tags_created=report.tags_created,
            tags_skipped=report.tags_skipped,
            warnings=list(report.warnings),
        )
