"""Against forms that other sites send in somebody's name: what a form holds must match a cookie of the same browser."""

from __future__ import annotations

import hmac
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Forbidden
from backend.src.web.oauth_form import Form

FIELD = "guard"
OUR_OWN = ("same-origin", "none")  # Sec-Fetch-Site, of browsers that send it

_guard = re.compile(r"[A-Za-z0-9_-]{43}")


def guard_of(request: Request) -> str:
    """What the form must hold; the browser keeps one for all of its pages."""
    kept = request.cookies.get(_cookie(request), "")
    return kept if _guard.fullmatch(kept) else secrets.token_urlsafe(32)


def keep_guard(request: Request, response: Response, guard: str) -> Response:
    """Gives the browser its half."""
    tls = request.scope["scheme"] == "https"
    response.set_cookie(_cookie(request), guard, httponly=True, samesite="lax", secure=tls, path="/")
    return response


def check_guard(request: Request, form: Form) -> None:
    """Raises Forbidden for a form that was not on a page of ours in this browser."""
    site = request.headers.get("sec-fetch-site", "none")
    kept, sent = request.cookies.get(_cookie(request), ""), form.get(FIELD, "")
    if site not in OUR_OWN or not _guard.fullmatch(kept) or not hmac.compare_digest(kept.encode(), sent.encode()):
        raise Forbidden("this form was not opened here, or its cookie is gone", remedy="open the page again")


def _cookie(request: Request) -> str:
    # the prefix keeps a neighbour on another host of the domain from planting one
    return "__Host-larder-form" if request.scope["scheme"] == "https" else "larder-form"
