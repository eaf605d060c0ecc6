"""/elements: Stoplight Elements."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.policy import Policy

PACKAGE = "@stoplight/elements"

ELEMENTS = Browser(
    "/elements",
    "Elements",
    "One page an operation, with its schemas and a form to try it.",
    lambda docs: docs.elements,
    "elements.js",
    scripts=(NpmFile(PACKAGE, "web-components.min.js"),),
    styles=(NpmFile(PACKAGE, "styles.min.css"),),
    policy=Policy(style_nonce=True),
)
