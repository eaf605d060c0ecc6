"""People over HTTP, with mail that really comes: what api-v1 and the how-to promise."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.system.people.site import OTHER_PASSWORD, PASSWORD, ROOT, ROOT_PASSWORD, Site

USERS = "/v1/users"


@pytest.fixture(scope="module")
def root(site: Site) -> str:
    """The first administrator's token: from ADMIN_EMAIL and ADMIN_PASSWORD."""
    return site.token(ROOT, ROOT_PASSWORD)


def join(site: Site, name: str) -> str:
    """Registers, confirms and logs in; returns the token."""
    email = f"{name}@lab.example"
    site.ask("POST", f"{USERS}/register", json={"email": email, "name": name, "password": PASSWORD}, expect=202)
    site.ask("POST", f"{USERS}/verify", json={"code": site.code_to(email)})
    return site.token(email, PASSWORD)


def test_from_registration_to_deletion(site: Site, root: str) -> None:
    ann, email = join(site, "ann"), "ann@lab.example"
    me = site.ask("GET", f"{USERS}/me", token=ann)
    assert (me["email"], me["role"], me["scopes"], me["hasPassword"]) == (email, "viewer", ["read"], True)
    site.ask("GET", "/v1/pvs/paged", token=ann)
    site.ask("POST", "/v1/tags", token=ann, json={"name": "x"}, expect=403)
    site.ask("PUT", f"{USERS}/{me['id']}/role", token=root, json={"role": "operator"})
    ann = site.token(email, PASSWORD)  # a token keeps the scopes that it was given
    site.ask("POST", "/v1/tags", token=ann, json={"name": "ann was here"})
    site.ask("PUT", f"{USERS}/me", token=ann, json={"name": "Ann Smith"})
    other = site.token(email, PASSWORD)
    site.ask("GET", f"{USERS}/me", token=other)
    changed = {"password": PASSWORD, "newPassword": OTHER_PASSWORD}
    site.ask("PUT", f"{USERS}/me/password", token=ann, json=changed)
    site.ask("GET", f"{USERS}/me", token=ann)
    site.ask("GET", f"{USERS}/me", token=other, expect=401)
    moved = {"password": OTHER_PASSWORD, "newEmail": "ann.smith@lab.example"}
    site.ask("PUT", f"{USERS}/me/email", token=ann, json=moved, expect=202)
    site.ask("POST", f"{USERS}/verify", json={"code": site.code_to("ann.smith@lab.example")})
    assert site.log_in(email, OTHER_PASSWORD) is None
    site.ask("DELETE", f"{USERS}/me", token=ann, json={"password": PASSWORD}, expect=403)
    site.ask("DELETE", f"{USERS}/me", token=ann, json={"password": OTHER_PASSWORD})
    site.ask("GET", f"{USERS}/me", token=ann, expect=401)
    assert site.log_in("ann.smith@lab.example", OTHER_PASSWORD) is None
    site.ask("GET", f"{USERS}/{me['id']}", token=root, expect=404)
    trail = site.ask("GET", "/v1/admin/audit", token=root, params={"actor": me["id"], "pageSize": 100})
    done = {entry["action"]: entry for entry in trail}
    assert {"POST /v1/tags", "PUT /v1/users/me/password", "DELETE /v1/users/me", "login"} <= set(done)
    assert done["DELETE /v1/users/me"]["actorName"] == "Ann Smith"


def test_the_trail_names_what_was_made_and_what_it_may(site: Site, root: str) -> None:
    eve = site.ask("POST", USERS, token=root, json={"email": "eve@lab.example", "name": "Eve", "role": "operator"})
    site.ask("PUT", f"{USERS}/{eve['id']}/role", token=root, json={"role": "manager"})
    site.ask("POST", f"{USERS}/invitations", token=root, json={"email": "fay@lab.example", "role": "viewer"})
    key = site.ask("POST", "/v1/api-keys", token=root, json={"appName": "scans", "scopes": ["write", "read"]})
    new = site.ask("POST", f"/v1/api-keys/{key['id']}/rotate", token=root)
    pv = site.ask("POST", "/v1/pvs", token=root, json={"setpointAddress": "TRAIL:1"})

    def noted(action: str) -> tuple[Any, Any]:
        entry = site.ask("GET", "/v1/admin/audit", token=root, params={"action": action, "pageSize": 1})[0]
        assert entry["status"] == 200
        return entry["target"], entry["detail"]

    assert noted(f"POST {USERS}") == (eve["id"], {"role": "operator"})
    assert noted(f"PUT {USERS}/{{id}}/role") == (eve["id"], {"role": "manager"})
    assert noted(f"POST {USERS}/invitations") == (None, {"role": "viewer"})
    assert noted("POST /v1/api-keys") == (key["id"], {"scopes": ["read", "write"]})
    assert noted("POST /v1/api-keys/{key_id}/rotate") == (key["id"], {"successor": new["id"]})
    assert noted("POST /v1/pvs") == (pv["id"], None)
    for invitation in site.ask("GET", f"{USERS}/invitations", token=root):
        site.ask("DELETE", f"{USERS}/invitations/{invitation['id']}", token=root)


def test_a_forgotten_password(site: Site) -> None:
    before = join(site, "flora")
    site.ask("GET", f"{USERS}/me", token=before)
    site.ask("POST", f"{USERS}/password/forgot", json={"email": "FLORA@lab.example"}, expect=202)
    new = {"code": site.code_to("flora@lab.example", 2), "newPassword": OTHER_PASSWORD}
    site.ask("POST", f"{USERS}/password/reset", json=new)
    site.ask("GET", f"{USERS}/me", token=before, expect=401)
    site.token("flora@lab.example", OTHER_PASSWORD)
    site.ask("POST", f"{USERS}/password/reset", json=new, expect=409)


def test_strangers_learn_of_no_account(site: Site) -> None:
    join(site, "bea")
    answers = []
    for email in ("bea@lab.example", "nobody@lab.example"):
        body = {"email": email, "name": "Bea", "password": OTHER_PASSWORD}
        answers.append(
            (
                site.ask("POST", f"{USERS}/register", json=body, expect=202),
                site.ask("POST", f"{USERS}/password/forgot", json={"email": email}, expect=202),
            )
        )
    assert answers[0] == answers[1]
    assert site.token("bea@lab.example", PASSWORD)


def test_an_invitation(site: Site, root: str) -> None:
    invited = {"email": "ivy@lab.example", "role": "manager"}
    made = site.ask("POST", f"{USERS}/invitations", token=root, json=invited)
    assert made["mailed"] and made["code"] is None
    (listed,) = site.ask("GET", f"{USERS}/invitations", token=root)
    assert (listed["email"], listed["role"]) == ("ivy@lab.example", "manager")
    used = {"code": site.code_to("ivy@lab.example"), "name": "Ivy", "password": PASSWORD}
    assert site.ask("POST", f"{USERS}/invitations/accept", json=used)["role"] == "manager"
    site.ask("GET", "/v1/api-keys", token=site.token("ivy@lab.example", PASSWORD))
    site.ask("DELETE", f"{USERS}/invitations/{listed['id']}", token=root, expect=404)


def test_administration(site: Site, root: str) -> None:
    new = {"email": "Max@lab.example", "name": "Max", "role": "operator", "password": PASSWORD}
    made = site.ask("POST", USERS, token=root, json=new)
    assert made["email"] == "max@lab.example" and made["passwordCode"] is None
    site.ask("POST", USERS, token=root, json=new, expect=409)
    site.ask("POST", USERS, token=root, json={**new, "email": "no address"}, expect=422)
    site.ask("POST", USERS, token=root, json={**new, "email": "m@lab.example", "password": "admin"}, expect=422)
    one, max_ = f"{USERS}/{made['id']}", site.token("max@lab.example", PASSWORD)
    site.ask("PUT", one, token=root, json={"name": "Max M."})
    site.ask("GET", f"{USERS}/me", token=max_)  # known from here on
    site.ask("PUT", f"{one}/disable", token=root)
    site.ask("GET", f"{USERS}/me", token=max_, expect=401)
    assert site.log_in("max@lab.example", PASSWORD) is None
    site.ask("PUT", f"{one}/enable", token=root)
    assert site.ask("PUT", f"{one}/password", token=root)["mailed"]
    reset = {"code": site.code_to("max@lab.example"), "newPassword": OTHER_PASSWORD}
    site.ask("POST", f"{USERS}/password/reset", json=reset)
    site.ask("DELETE", one, token=root)
    site.ask("GET", one, token=root, expect=404)
    waiting = site.ask("POST", USERS, token=root, json={"email": "una@lab.example", "name": "Una"})
    assert waiting["passwordCode"]["mailed"] and not waiting["hasPassword"]


def test_who_goes_leaves_keys_that_are_found(site: Site, root: str) -> None:
    new = {"email": "kim@lab.example", "name": "Kim", "role": "manager", "password": PASSWORD}
    one = f"{USERS}/{site.ask('POST', USERS, token=root, json=new)['id']}"
    kim = site.token("kim@lab.example", PASSWORD)
    key = site.ask("POST", "/v1/api-keys", token=kim, json={"appName": "archiver", "scopes": ["write"]})
    assert (key["createdById"], key["createdBy"]) == (one.split("/")[-1], f"Kim (user {key['createdById']})")
    left = [{"id": key["id"], "appName": "archiver"}]
    assert site.ask("PUT", f"{one}/role", token=root, json={"role": "operator"})["keysLeft"] == []
    assert site.ask("PUT", f"{one}/role", token=root, json={"role": "viewer"})["keysLeft"] == left
    assert site.ask("PUT", f"{one}/disable", token=root)["keysLeft"] == left
    assert site.ask("DELETE", one, token=root) == {"keysLeft": left}
    (found,) = site.ask("GET", "/v1/api-keys", token=root, params={"createdBy": key["createdById"]})
    assert found["id"] == key["id"] and found["isActive"]


def test_the_list_goes_page_by_page(site: Site, root: str) -> None:
    seen: list[str] = []
    token = None
    while True:
        asked = {"pageSize": 2, **({"continuationToken": token} if token else {})}
        page = site.ask("GET", USERS, token=root, params=asked)
        seen += [user["email"] for user in page["results"]]
        token = page["continuationToken"]
        if token is None:
            break
    assert seen == sorted(set(seen)) and ROOT in seen
    assert [user["email"] for user in site.ask("GET", USERS, token=root, params={"q": "ROOT@"})["results"]] == [ROOT]
    assert "password" not in str(page).lower().replace("haspassword", "")


def test_the_last_administrator_stays(site: Site, root: str) -> None:
    me = site.ask("GET", f"{USERS}/me", token=root)["id"]
    site.ask("PUT", f"{USERS}/{me}/role", token=root, json={"role": "viewer"}, expect=409)
    site.ask("PUT", f"{USERS}/{me}/disable", token=root, expect=409)
    site.ask("DELETE", f"{USERS}/{me}", token=root, expect=409)
    site.ask("DELETE", f"{USERS}/me", token=root, json={"password": ROOT_PASSWORD}, expect=409)


def test_a_key_is_nobody(site: Site) -> None:
    key = {"X-API-Key": site.larder.key("read", "write", "admin")}
    for method, path, body in (
        ("GET", "me", None),
        ("PUT", "me", {"name": "x"}),
        ("PUT", "me/password", {"password": "x", "newPassword": "y"}),
        ("DELETE", "me", {}),
    ):
        answer = httpx.request(method, f"{site.larder.url}{USERS}/{path}", headers=key, json=body)
        assert answer.status_code == 403 and "no person" in answer.json()["detail"], answer.text


def test_a_locked_name_is_told_how_long(site: Site) -> None:
    ann = join(site, "lou")
    for _ in range(5):
        assert site.log_in("lou@lab.example", "wrong") is None
    changed = {"password": PASSWORD, "newPassword": OTHER_PASSWORD}
    answer = httpx.put(
        f"{site.larder.url}{USERS}/me/password", headers={"Authorization": f"Bearer {ann}"}, json=changed, timeout=30
    )
    assert answer.status_code == 429 and 20 < int(answer.headers["Retry-After"]) <= 60
    assert "too many failed logins" in answer.json()["detail"]


def test_no_secret_is_in_the_log_or_the_database(site: Site) -> None:
    files = [path for path in site.larder.data_dir.rglob("*") if path.is_file()]
    text = "".join(path.read_bytes().decode("latin-1") for path in files)
    assert "ann was here" in text
    for secret in (PASSWORD, OTHER_PASSWORD, ROOT_PASSWORD):
        assert secret not in text
    for kept in site.mail.messages:
        if "code=" in kept.data.decode("latin-1"):
            assert kept.data.decode("latin-1").split("code=")[1][:20] not in text
