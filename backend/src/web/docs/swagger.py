"""/docs: Swagger UI."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.npm_file import NpmFile

PACKAGE = "swagger-ui-dist"

SWAGGER = Browser(
    "/docs",
    "Swagger UI",
    "Try every call from here: log in, fill in, send.",
    lambda docs: docs.swagger,
    "swagger.js",
    scripts=(NpmFile(PACKAGE, "swagger-ui-bundle.js"),),
    styles=(NpmFile(PACKAGE, "swagger-ui.css"),),
)
