"""kill -9 while people register, confirm and reset: nothing lost, nothing twice.

What was answered is so; what was not is so or not, as a whole, and asking again brings it about.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.servers.smtp import SmtpServer
from tests.system.people.site import OTHER_PASSWORD, PASSWORD, Site, code_of

USERS = "/v1/users"
MANY = 16
TRIES = 5
Post = Callable[[str], tuple[str, dict[str, str]]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Of its own: it is killed."""
    folder: Path = tmp_path_factory.mktemp("killed")
    with SmtpServer() as mail, Site(folder, mail) as site:
        yield site


def killed_while(site: Site, names: list[str], post: Post, *, after: int) -> set[str]:
    """Posts for every name at once, kills the server after some answers; returns who got theirs."""
    answered: set[str] = set()
    enough = threading.Event()

    def send(name: str) -> None:
        path, body = post(name)
        try:
            answer = httpx.post(site.larder.url + path, json=body, timeout=30)
        except httpx.TransportError:
            return
        assert answer.is_success, (name, answer.text)
        answered.add(name)
        if len(answered) >= after:
            enough.set()

    with ThreadPoolExecutor(MANY) as pool:
        sent = [pool.submit(send, name) for name in names]
        assert enough.wait(60)
        time.sleep(random.uniform(0, 0.05))  # anywhere within the next ones
        site.larder.kill()
    for one in sent:
        one.result()  # raises what it asserted
    site.larder.start()
    return answered


def codes_of(site: Site, name: str) -> list[str]:
    """One for each message that came: a second copy has the Message-ID of the first."""
    found = {kept.message_id: kept for kept in site.mail.messages if kept.recipient == address(name)}
    return [code_of(kept) for kept in found.values() if b"code=" in kept.data]


def address(name: str) -> str:
    return f"{name}@lab.example"


def accounts(site: Site, part: str) -> list[str]:
    answer = site.larder.api.call("GET", USERS, params={"q": part, "pageSize": 1000})
    return [user["name"] for user in answer["results"]]


def test_registering_and_confirming(site: Site) -> None:
    def register(name: str) -> tuple[str, dict[str, str]]:
        return f"{USERS}/register", {"email": address(name), "name": name, "password": PASSWORD}

    for attempt in range(TRIES):  # where these tests have to wait for the processor, all may be answered before it
        names = [f"reg{attempt}x{number}" for number in range(MANY)]
        answered = killed_while(site, names, register, after=3)
        if len(answered) < MANY:
            break
    assert len(answered) < MANY, "it was killed too late to show anything"
    for name in answered:
        site.mails_to(address(name))
    for name in set(names) - answered:  # a client asks again
        path, body = register(name)
        site.ask("POST", path, json=body, expect=202)
        site.mails_to(address(name))
    for name in names:
        assert len(codes_of(site, name)) <= (1 if name in answered else 2)

    def confirm(name: str) -> tuple[str, dict[str, str]]:
        return f"{USERS}/verify", {"code": codes_of(site, name)[-1]}

    confirmed = killed_while(site, names, confirm, after=3)
    assert confirmed <= set(accounts(site, "reg"))
    for name in set(names) - confirmed:
        answer = httpx.post(site.larder.url + confirm(name)[0], json=confirm(name)[1], timeout=30)
        assert answer.status_code in (200, 409), answer.text  # 409: it had been done
    assert sorted(accounts(site, "reg")) == sorted(names)
    site.token(address(names[0]), PASSWORD)


def test_resetting(site: Site) -> None:
    names = [f"res{number}" for number in range(MANY)]
    for name in names:
        person = {"email": address(name), "name": name, "password": PASSWORD}
        site.larder.api.call("POST", USERS, json=person)

    for name in names:
        site.ask("POST", f"{USERS}/password/forgot", json={"email": address(name)}, expect=202)
    codes = {name: site.code_to(address(name)) for name in names}

    def reset(name: str) -> tuple[str, dict[str, str]]:
        return f"{USERS}/password/reset", {"code": codes[name], "newPassword": OTHER_PASSWORD}

    done = killed_while(site, names, reset, after=2)
    for name in names:
        old, new = (site.log_in(address(name), password) is not None for password in (PASSWORD, OTHER_PASSWORD))
        assert old != new, f"{name} has two passwords, or none"
        assert new or name not in done, f"{name} was told of a new password that is lost"
        answer = httpx.post(site.larder.url + reset(name)[0], json=reset(name)[1], timeout=30)
        assert answer.status_code == (409 if new else 200), answer.text  # used exactly when the password is new
