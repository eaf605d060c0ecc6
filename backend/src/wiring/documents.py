"""The pages that show the interface, and the front page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backend.src.config.settings import Settings
from backend.src.core.clock import SystemClock
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.services.health import Health
from backend.src.web.docs import Assets, DocumentationHandler, FrontPage, worker_policies

get = RuntimeManager.get


def document_endpoints(settings: Settings) -> tuple[Callable[[], Any], ...]:
    """How each group of their routes is made."""
    assets = Assets(policies=worker_policies())
    handler = DocumentationHandler(settings.docs, assets)
    return (lambda: handler, lambda: FrontPage(get(Health), handler.entries, assets, SystemClock()))
