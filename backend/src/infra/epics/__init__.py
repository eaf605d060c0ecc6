"""Process variables over Channel Access and PVAccess: addresses, bulk reads and writes, monitors."""

from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.epics.epics import Epics
from backend.src.infra.epics.outcomes import Changes, Put, PutOutcome, PutResult, ReadFailed, Reading

__all__ = ["Changes", "Epics", "Protocol", "Put", "PutOutcome", "PutResult", "PvAddress", "ReadFailed", "Reading"]
