"""The pages that show the interface: eight browsers of /openapi.json, and the front page that leads to them."""

from backend.src.web.docs.assets import Assets
from backend.src.web.docs.documentation_handler import DocumentationHandler
from backend.src.web.docs.editor import worker_policies
from backend.src.web.docs.front_page import FrontPage

__all__ = ["Assets", "DocumentationHandler", "FrontPage", "worker_policies"]
