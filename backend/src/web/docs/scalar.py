"""/scalar: Scalar."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.policy import Policy

SCALAR = Browser(
    "/scalar",
    "Scalar",
    "To read, with ready-made calls in a dozen languages, and a client to try them.",
    lambda docs: docs.scalar,
    "scalar.js",
    scripts=(NpmFile("@scalar/api-reference", "dist/browser/standalone.js"),),
    policy=Policy(style_nonce=True, style_attributes=True),
)
