"""The audit trail: who did what, when, from where, and how it ended."""

from backend.src.services.audit.audit import Audit
from backend.src.services.audit.entry import Actor, AuditEntry, AuditFilters, AuditRecord

__all__ = ["Actor", "Audit", "AuditEntry", "AuditFilters", "AuditRecord"]
