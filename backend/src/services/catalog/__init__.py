"""The catalogue: which PVs there are, how they are tagged, and their list as a file."""

from backend.src.services.catalog.catalog import Catalog, CatalogNotifier
from backend.src.services.catalog.importing import ImportReport, Outcome, RowReport
from backend.src.services.catalog.inventory import NO_SLOT, Inventory
from backend.src.services.catalog.models import Page, Pv, PvChanges, PvDraft, Selection, Tag, TagDraft, TagGroup, TagRef
from backend.src.services.catalog.notifier import RedisNotifier
from backend.src.services.catalog.tag_catalog import TagCatalog

__all__ = [
    "NO_SLOT",
    "Catalog",
    "CatalogNotifier",
    "ImportReport",
    "Inventory",
    "Outcome",
    "Page",
    "Pv",
    "PvChanges",
    "PvDraft",
    "RedisNotifier",
    "RowReport",
    "Selection",
    "Tag",
    "TagCatalog",
    "TagDraft",
    "TagGroup",
    "TagRef",
]
