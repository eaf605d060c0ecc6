"""Which browsers of the API there are, in the order in which the front page names them."""

from backend.src.web.docs.browser import Browser
from backend.src.web.docs.editor import EDITOR
from backend.src.web.docs.elements import ELEMENTS
from backend.src.web.docs.explorer import EXPLORER
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.rapidoc import RAPIDOC
from backend.src.web.docs.redoc import REDOC
from backend.src.web.docs.scalar import SCALAR
from backend.src.web.docs.swagger import SWAGGER

BROWSERS: tuple[Browser, ...] = (SWAGGER, REDOC, RAPIDOC, SCALAR, ELEMENTS, EXPLORER, EDITOR)


def npm_files() -> tuple[NpmFile, ...]:
    """Every file of a package that some page loads."""
    return tuple(file for browser in BROWSERS for file in browser.files)
