"""/editor: Swagger Editor, which checks the document and shows it beside its text."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.policy import Policy

PACKAGE = "swagger-editor"

EDITOR = Browser(
    "/editor",
    "Editor",
    "The document itself: its text, checked, beside what it means.",
    lambda docs: docs.editor,
    "editor.js",
    # its bundle leaves React out; the last version with files that a page can load
    scripts=(
        NpmFile("react", "umd/react.production.min.js"),
        NpmFile("react-dom", "umd/react-dom.production.min.js"),
        NpmFile(PACKAGE, "dist/umd/swagger-editor.js"),
    ),
    styles=(NpmFile(PACKAGE, "dist/swagger-editor.css"),),
    modules=(NpmFile(PACKAGE, "dist/umd/apidom.worker.js"), NpmFile(PACKAGE, "dist/umd/editor.worker.js")),
    # it compiles JSON schemas to functions as soon as it is loaded, and does nothing without
    policy=Policy(style_nonce=True, style_attributes=True, evaluation=True),
)


def worker_policies() -> dict[str, str]:
    """Of the worker that checks the document, which the page's policy does not reach.

    It compiles JSON schemas, as the page does, and a parser in WebAssembly that it loads from a data: address of its
    own text. It may reach this server alone.
    """
    return {"apidom.worker.js": "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self' data:"}
