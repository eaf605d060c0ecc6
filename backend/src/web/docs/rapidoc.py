"""/rapidoc: RapiDoc."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.policy import Policy

RAPIDOC = Browser(
    "/rapidoc",
    "RapiDoc",
    "One operation at a time, to read and to try, with search over everything.",
    lambda docs: docs.rapidoc,
    "rapidoc.js",
    scripts=(NpmFile("rapidoc", "dist/rapidoc-min.js"),),
    policy=Policy(style_nonce=True, style_attributes=True),
)
