"""The catalogue: which PVs there are, how they are tagged, and their list as a file."""

from backend.src.services.catalog.inventory import NO_SLOT, Inventory
from backend.src.services.catalog.models import Pv, Selection, Tag, TagGroup, TagRef

__all__ = ["NO_SLOT", "Inventory", "Pv", "Selection", "Tag", "TagGroup", "TagRef"]
