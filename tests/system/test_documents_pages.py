"""The pages that show the interface, in a real Chromium that reaches nothing but the server.

LARDER_PICTURES=docs/images keeps a picture of each page.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pypdfium2
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from backend.src.commands.pages import install
from backend.src.web.docs.assets import INSTALLED
from tests.servers.chromium import Visit, chromium, visit
from tests.servers.larder import Larder
from tests.servers.soft_ioc import CLIENT_ENVIRONMENT, SoftIoc

PICTURES = os.environ.get("LARDER_PICTURES")
PERSON = "operator@lab.example"
PASSWORD = "a harbour of quiet otters"
OPERATION, PATH = "List PVs", "/v1/pvs"
TAG, CALL = "PVs", "/v1/pvs/devices"
PATIENCE_MS = 60_000
PAGES = ("docs", "redoc", "rapidoc", "scalar", "elements", "explorer", "editor", "rapipdf")
PICTURED_PAGE = 12


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    install(INSTALLED)
    person = {"ADMIN_EMAIL": PERSON, "ADMIN_PASSWORD": PASSWORD}
    environment = {**CLIENT_ENVIRONMENT, **person, "ENABLE_CRONS": "false"}
    with Larder(tmp_path_factory.mktemp("pages"), environment) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, larder: Larder) -> Iterator[Visit]:
    """Nothing may go wrong in any test."""
    with visit(browser, larder.url) as made:
        made.context.set_default_timeout(PATIENCE_MS)
        yield made
        assert made.errors == []
        assert made.foreign == []


def see(page: Page, text: str) -> None:
    """Also inside shadow roots."""
    expect(page.get_by_text(text).locator("visible=true").first).to_be_visible(timeout=PATIENCE_MS)


def keep_picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(1_000)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.mark.parametrize("name", ["redoc", "editor"])
def test_a_page_shows_the_operations(name: str, visitor: Visit) -> None:
    page = visitor.open(f"/{name}")
    see(page, OPERATION)
    keep_picture(page, name)


def send(page: Page, button: str) -> int:
    """The status of the call of PATH that the button sends."""
    with page.expect_response(f"**{PATH}") as answered:
        page.get_by_role("button", name=button).locator("visible=true").first.click()
    return answered.value.status


def test_elements_shows_an_operation_and_calls_with_an_api_key(visitor: Visit, larder: Larder) -> None:
    page = visitor.open("/elements")
    page.get_by_text("PVs", exact=True).first.click()
    page.get_by_text(OPERATION).first.click()
    see(page, PATH)
    keep_picture(page, "elements")
    page.get_by_label("X-API-Key", exact=True).fill(larder.key("read", name="elements"))
    assert send(page, "Send API Request") == 200


@pytest.fixture(scope="module")
def swagger(browser: Browser, larder: Larder) -> Iterator[Page]:
    """Swagger UI, open for all of its tests."""
    with visit(browser, larder.url) as made:
        made.context.set_default_timeout(PATIENCE_MS)
        page = made.open("/docs")
        see(page, OPERATION)
        keep_picture(page, "docs")
        page.get_by_placeholder("Filter by tag").fill(TAG)
        yield page
        assert (made.errors, made.foreign) == ([], [])


def way_in(page: Page, text: str) -> Locator:
    """One part of the dialog."""
    page.get_by_role("button", name="Authorize").click()
    return page.locator(".auth-container", has_text=text)


def log_out(page: Page, form: Locator) -> None:
    page.get_by_role("button", name="Authorize").click()
    form.get_by_role("button", name="Remove authorization").click()
    close(page)


def close(page: Page) -> None:
    page.get_by_role("button", name="Close", exact=True).first.click()


def call(page: Page, path: str) -> str:
    """What a GET answers, called from the page."""
    operation = page.locator(".opblock-get", has=page.locator(f'[data-path="{path}"]'))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table .response-col_status").nth(1)
    expect(status).to_contain_text("200", timeout=PATIENCE_MS)
    answer = operation.locator(".live-responses-table .highlight-code").first.inner_text()
    operation.locator(".opblock-summary-control").click()
    return answer


def log_in_there(popup: Page) -> None:
    """On the page of the server."""
    popup.get_by_label("E-mail address").fill(PERSON)
    popup.get_by_label("Password").fill(PASSWORD)
    popup.get_by_role("button", name="Log in").click()


def log_in_with_a_password_and_call(page: Page) -> None:
    form = way_in(page, "Flow: password")
    form.locator("#oauth_username").fill(PERSON)
    form.locator("#oauth_password").fill(PASSWORD)
    form.get_by_role("button", name="Apply given OAuth2 credentials").click()
    expect(form.get_by_role("button", name="Remove authorization")).to_be_visible(timeout=PATIENCE_MS)
    close(page)
    assert "[]" in call(page, CALL)
    log_out(page, form)


def log_in_with_a_code_and_call(page: Page) -> None:
    form = way_in(page, "Flow: authorizationCode")
    with page.expect_popup() as opened:
        form.get_by_role("button", name="Apply given OAuth2 credentials").click()
    log_in_there(opened.value)
    expect(form.get_by_role("button", name="Remove authorization")).to_be_visible(timeout=PATIENCE_MS)
    close(page)
    assert "[]" in call(page, CALL)
    log_out(page, form)


def test_swagger_logs_in_with_a_password_and_calls(swagger: Page, larder: Larder) -> None:
    assert httpx.get(larder.url + CALL).status_code == 401
    log_in_with_a_password_and_call(swagger)


def test_swagger_logs_in_with_a_code_and_calls(swagger: Page) -> None:
    log_in_with_a_code_and_call(swagger)


def test_swagger_calls_with_an_api_key(swagger: Page, larder: Larder) -> None:
    form = way_in(swagger, "X-API-Key")
    form.get_by_role("textbox").fill(larder.key("read"))
    form.get_by_role("button", name="Apply credentials").click()
    close(swagger)
    assert "[]" in call(swagger, CALL)
    log_out(swagger, form)


def one_operation(larder: Larder) -> dict[str, Any]:
    """The interface's document with nothing but CALL in it: the editor needs long to check all of it."""
    document: dict[str, Any] = httpx.get(f"{larder.url}/openapi.json").json()
    operation = {**document["paths"][CALL]["get"], "responses": {"200": {"description": "the devices"}}}
    logins = document["components"]["securitySchemes"]
    return {**document, "paths": {CALL: {"get": operation}}, "components": {"securitySchemes": logins}}


def test_the_editor_logs_in_calls_and_checks(visitor: Visit, larder: Larder) -> None:
    document = one_operation(larder)
    visitor.context.route("**/openapi.json", lambda route: route.fulfill(json=document))
    page = visitor.open("/editor")
    log_in_with_a_password_and_call(page)
    log_in_with_a_code_and_call(page)
    page.locator(".monaco-editor .view-line").first.click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("End")
    page.keyboard.insert_text('"faulty": 1,')
    see(page, "Object includes not allowed fields")


def open_operation(visitor: Visit, name: str) -> Page:
    """A page that shows one operation at a time."""
    page = visitor.open(f"/{name}")
    see(page, OPERATION)
    go_to_operation(page)
    keep_picture(page, name)
    return page


def go_to_operation(page: Page) -> None:
    page.get_by_text(OPERATION).locator("visible=true").first.click(force=True)
    see(page, PATH)


def test_rapidoc_logs_in_with_a_code_and_calls(visitor: Visit) -> None:
    page = open_operation(visitor, "rapidoc")
    page.get_by_text("Authentication", exact=True).locator("visible=true").first.click()
    form = page.locator(".oauth-flow.authorizationCode")
    with page.expect_popup() as opened:
        form.get_by_role("button", name="GET TOKEN").click()
    log_in_there(opened.value)
    expect(page.get_by_text("1 API key applied")).to_be_visible(timeout=PATIENCE_MS)
    go_to_operation(page)
    assert send(page, "Try") == 200


def test_explorer_logs_in_with_a_code_and_calls(visitor: Visit) -> None:
    page = open_operation(visitor, "explorer")
    page.get_by_text("Authentication", exact=True).locator("visible=true").first.click()
    form = page.locator(".oauth-flow", has_text="Authorization Code Flow")
    form.get_by_role("button", name="Get Token").click()
    log_in_there(page)
    page.wait_for_url("**/explorer*")
    expect(page.get_by_text("1 API key applied")).to_be_visible(timeout=PATIENCE_MS)
    go_to_operation(page)
    assert send(page, "Execute") == 200


def test_scalar_logs_in_with_a_code_and_calls(visitor: Visit) -> None:
    page = open_operation(visitor, "scalar")
    page.get_by_text("Introduction", exact=True).locator("visible=true").first.click()
    page.get_by_text("authorizationCode", exact=True).first.click()
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Authorize").first.click()
    log_in_there(opened.value)
    expect(page.get_by_text("Access Token").first).to_be_visible(timeout=PATIENCE_MS)
    go_to_operation(page)
    page.get_by_role("button", name=f"(get {PATH})").click()
    assert send(page, "Send") == 200


def test_the_front_page_leads_everywhere_without_a_script(browser: Browser, larder: Larder) -> None:
    with visit(browser, larder.url, java_script_enabled=False) as visitor:
        page = visitor.open("/")
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not page.get_by_text("Everything works").is_visible():  # not while the browser has the whole machine
            assert time.monotonic() < deadline, page.content()
            page.reload()
        keep_picture(page, "front")
        paths = page.locator(".browsers a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert paths == [f"/{name}" for name in PAGES]
        links = page.locator("a:not([href='/rapipdf'])").all()  # which takes seconds, and has its own test
        for link in links:
            assert visitor.context.request.get(larder.url + str(link.get_attribute("href"))).ok
        assert (visitor.errors, visitor.foreign) == ([], [])


def test_the_front_page_in_the_dark(browser: Browser, larder: Larder) -> None:
    with visit(browser, larder.url, color_scheme="dark") as visitor:
        page = visitor.open("/")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", ground))) < 0x30
        keep_picture(page, "front-dark")
        assert (visitor.errors, visitor.foreign) == ([], [])


def test_the_front_page_tells_that_the_machine_is_gone(larder: Larder) -> None:
    def wait_for_connected(count: int) -> None:
        known = (1, count)
        summary = "/v1/health/summary"
        larder.wait_for(summary, lambda told: (told["total_pvs"], told["connected_pvs"]) == known, timeout_s=60)

    with SoftIoc.types() as ioc:
        pv = larder.api.call("POST", "/v1/pvs", json={"setpointAddress": ioc.pv("DOUBLE")})
        wait_for_connected(1)
        assert "<dt>Machine</dt><dd>all connected" in httpx.get(larder.url).text
        ioc.kill()
        wait_for_connected(0)
        page = httpx.get(larder.url).text
        assert "<dt>Machine</dt><dd>none connected</dd>" in page
        assert "Everything works" not in page
        assert ioc.prefix not in page
        larder.api.call("DELETE", f"/v1/pvs/{pv['id']}")


def test_the_pdf_has_every_operation(larder: Larder) -> None:
    answer = httpx.get(f"{larder.url}/rapipdf", timeout=60)
    assert answer.headers["content-type"] == "application/pdf"
    with pypdfium2.PdfDocument(answer.content) as document:
        text = "".join(page.get_textpage().get_text_range() for page in document)
        titles = [bookmark.get_title() for bookmark in document.get_toc()]
        if PICTURES:
            document[PICTURED_PAGE].render(scale=1).to_pil().save(Path(PICTURES) / "rapipdf.png")
    described = httpx.get(f"{larder.url}/openapi.json").json()
    told = re.sub(r"\s+", "", text)
    for path, item in described["paths"].items():
        for method, operation in item.items():
            assert f"{operation['summary']}: {method.upper()} {path}" in titles
            assert re.sub(r"\s+", "", f"{method.upper()} {path}") in told
    assert set(described["components"]["schemas"]) <= set(titles)
