"""/redoc: ReDoc."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.policy import Policy

REDOC = Browser(
    "/redoc",
    "ReDoc",
    "To read: the whole interface in three columns, with search.",
    lambda docs: docs.redoc,
    "redoc.js",
    scripts=(NpmFile("redoc", "bundles/redoc.standalone.js"),),
    # its search runs in a worker whose text stands in the program
    policy=Policy(style_nonce=True, blob_workers=True),
    tries=False,
)
