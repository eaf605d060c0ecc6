"""/explorer: OpenAPI Explorer."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.policy import Policy

EXPLORER = Browser(
    "/explorer",
    "Explorer",
    "One operation at a time, with a form to try it.",
    lambda docs: docs.explorer,
    "explorer.js",
    scripts=(NpmFile("openapi-explorer", "dist/browser/openapi-explorer.min.js"),),
    policy=Policy(style_nonce=True, style_attributes=True),
)
