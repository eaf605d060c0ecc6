"""Which pages there are, what they may do, what they load; the files behind them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.src.config.settings import DocsSettings, Secret
from backend.src.web.docs import Assets, DocumentationHandler, worker_policies
from backend.src.web.docs.browser import Browser
from backend.src.web.docs.browsers import BROWSERS, npm_files
from tests.unit.web.conftest import client_of, make_app
from tests.unit.web.docs.installed import installed_pages

SWITCHES = [option.name for option in fields(DocsSettings) if isinstance(option.default, bool)]
PATHS = {"swagger": "/docs"}
_loaded = re.compile(r'(?:src|href)="([^"]+)"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return installed_pages(tmp_path)


@asynccontextmanager
async def pages(folder: Path, settings: DocsSettings | None = None) -> AsyncIterator[httpx.AsyncClient]:
    handler = DocumentationHandler(settings or DocsSettings(), Assets(folder, worker_policies()))
    async with client_of(make_app(handler), key=None) as client:
        yield client


@pytest.mark.parametrize("switch", SWITCHES)
async def test_each_page_has_its_switch(switch: str, folder: Path) -> None:
    path = PATHS.get(switch, f"/{switch}")
    off: dict[str, Any] = {switch: False}
    settings = replace(DocsSettings(), **off)
    async with pages(folder, settings) as client:
        assert (await client.get(path)).status_code == 404
        for other in {PATHS.get(one, f"/{one}") for one in SWITCHES if one not in (switch, "rapipdf")}:
            answer = await client.get(other)
            assert answer.status_code == 200
            assert f'href="{path}"' not in answer.text, "the bar leads to what is switched off"


@pytest.mark.parametrize("browser", BROWSERS, ids=lambda browser: browser.title)
async def test_a_page_loads_only_what_is_here_and_says_so(browser: Browser, folder: Path) -> None:
    async with pages(folder) as client:
        page = await client.get(browser.path)
        policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert "'unsafe-inline'" not in policy["script-src"] + policy["style-src"]
        assert all("http" not in sources and "*" not in sources for sources in policy.values())
        for address in _loaded.findall(page.text):
            assert address.startswith("/")
            if "/assets/" in address:
                assert (await client.get(address)).status_code == 200


async def test_exceptions_from_the_policy_are_those_and_no_others(folder: Path) -> None:
    async with pages(folder) as client:
        policies = {one.title: (await client.get(one.path)).headers["content-security-policy"] for one in BROWSERS}
    assert {title for title, policy in policies.items() if "'unsafe-eval'" in policy} == {"Editor"}
    assert {title for title, policy in policies.items() if "blob:" in policy} == {"ReDoc"}
    by_attribute = {"RapiDoc", "Scalar", "Explorer", "Editor"}
    assert {title for title, policy in policies.items() if "style-src-attr" in policy} == by_attribute


async def test_a_nonce_is_used_once(folder: Path) -> None:
    async with pages(folder) as client:
        policies = {(await client.get("/redoc")).headers["content-security-policy"] for _ in range(3)}
    assert len(policies) == 3


@pytest.mark.parametrize("lock", [None, "of another version"])
async def test_without_the_packages_a_page_says_how_to_get_them(lock: str | None, tmp_path: Path) -> None:
    if lock:
        installed_pages(tmp_path, lock)
    async with pages(tmp_path) as client:
        page = await client.get("/docs")
        assert page.status_code == 503
        assert "backend.src pages" in page.text
        assert (await client.get("/_docs/oauth2-redirect")).status_code == 200
        assert (await client.get("/favicon.ico")).status_code == 200


async def test_a_secret_of_the_client_is_on_no_page(folder: Path) -> None:
    settings = replace(DocsSettings(), oauth2_client_secret=Secret("only the server knows"))
    async with pages(folder, settings) as client:
        for browser in BROWSERS:
            assert "only the server knows" not in (await client.get(browser.path)).text


async def test_a_file_is_kept_for_ever_and_travels_packed(folder: Path) -> None:
    address = Assets(folder).installed(npm_files()[0]).address
    async with pages(folder) as client:
        packed = await client.get(address, headers={"accept-encoding": "br, gzip;q=0.8"})
        plain = await client.get(address, headers={"accept-encoding": "identity"})
        assert (packed.headers["content-encoding"], packed.content) == ("gzip", plain.content)
        assert "content-encoding" not in plain.headers
        assert packed.headers["etag"] != plain.headers["etag"]
        assert "immutable" in plain.headers["cache-control"]
        again = await client.get(address, headers={"if-none-match": packed.headers["etag"], "accept-encoding": "gzip"})
        assert (again.status_code, again.content) == (304, b"")
        assert "immutable" in again.headers["cache-control"]


async def test_the_pdf_is_sent_to_whom_has_it_not(folder: Path) -> None:
    async with pages(folder) as client:
        first = await client.get("/rapipdf")
        again = await client.get("/rapipdf", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, first.headers["cache-control"]) == (200, "private, no-cache")
    assert (again.status_code, again.content) == (304, b"")


async def test_a_client_that_refuses_gzip_gets_none(folder: Path) -> None:
    address = Assets(folder).installed(npm_files()[0]).address
    async with pages(folder) as client:
        answer = await client.get(address, headers={"accept-encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "0123456789abcdef/swagger-ui.css",
        "0123456789abcdef/manifest.json",
        "0123456789abcdef/..%2Fmanifest.json",
        "0123456789abcdef/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "0123456789abcdef/..",
        "0123456789abcdef/\x00",
        "..%2f..%2f/swagger-ui.css",
        "x/swagger-ui.css",
    ],
)
async def test_no_other_file_can_be_named(path: str, folder: Path) -> None:
    async with pages(folder) as client:
        assert (
            await client.get(httpx.URL(f"http://larder/_docs/assets/{path.replace(chr(0), '%00')}"))
        ).status_code in (
            404,
            422,
        )


async def test_a_worker_has_a_policy_of_its_own(folder: Path) -> None:
    worker = next(file for file in npm_files() if file.name == "apidom.worker.js")
    async with pages(folder) as client:
        answer = await client.get(Assets(folder).installed(worker).address)
    policy = "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self' data:"
    assert answer.headers["content-security-policy"] == policy


def test_names_of_files_are_unique() -> None:
    names = [file.name for file in npm_files()]
    assert len(set(names)) == len(names)
