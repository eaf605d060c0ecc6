"""Accounts from registration to deletion, over both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated, Unavailable
from backend.src.infra.mail import Mail
from backend.src.infra.openid import Claims
from backend.src.infra.sql import SQL, migrate
from backend.src.infra.sql.tables import one_time_codes, sessions
from backend.src.services.accounts.codes import CodeUnknown, CodeUsed
from backend.src.services.accounts.lockout import LockedOut
from backend.src.services.accounts.principal import Role, Scope
from backend.src.services.accounts.profiles import WrongPassword
from backend.src.services.accounts.session_rows import Session, insert_session
from backend.src.services.accounts.user_rows import AddressTaken, LastAdministrator, User, UserNotFound
from backend.src.services.accounts.users import NOBODY, UserDraft
from backend.src.services.mailing import Outbox
from backend.src.services.providers.identity_rows import KeptTokens, insert_identity
from tests.contracts.people import OTHER_PASSWORD, PASSWORD, URL, People
from tests.manual_clock import ManualClock

ANN = "ann@lab.example"


# what these tests write to; the schema is made once for all of them: it takes longer than most of them
TABLES = ("outbox", "one_time_codes", "login_failures", "sessions", "identities", "users")


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[SqlSettings, Path]:
    settings, folder = SqlSettings(threads=4), tmp_path_factory.mktemp("people")
    if request.param == "mariadb":
        settings = request.getfixturevalue("mariadb").database()
    asyncio.run(migrate(settings, folder))
    return settings, folder


@pytest.fixture
async def sql(database: tuple[SqlSettings, Path]) -> AsyncIterator[SQL]:
    sql: SQL = SQL.build(*database)
    await sql.start()
    await sql.write(lambda c: [c.exec_driver_sql(f"DELETE FROM {table}") for table in TABLES])
    yield sql
    await sql.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def people(sql: SQL, clock: ManualClock) -> AsyncIterator[People]:
    people = People(sql, clock)
    await people.start()
    yield people
    await people.stop()


async def begin_session(people: People, user: User, session_id: str) -> None:
    now = people.clock.now()
    row = Session(session_id, user.id, "password", None, None, None, None, now, now, now)
    await people.sql.write(lambda connection: insert_session(connection, row))


async def ended(people: People) -> dict[str, str | None]:
    """Each session and why it ended."""
    query = select(sessions.c.id, sessions.c.revoked_because)
    return dict(await people.sql.read(lambda c: c.execute(query).all()))


async def test_a_registration_becomes_an_account_by_its_code_once(people: People) -> None:
    await people.registrations.register(" ANN@lab.example", "Ann", PASSWORD)
    with pytest.raises(Unauthenticated):
        await people.users.authenticate(ANN, PASSWORD)
    assert await people.users.page() == []
    code = await people.code_to(ANN)
    user = await people.verification.verify(code)
    assert (user.email, user.name, user.role, user.verified) == (ANN, "Ann", Role.VIEWER, True)
    assert (await people.users.authenticate("Ann@LAB.example", PASSWORD)).id == user.id
    with pytest.raises(CodeUsed):
        await people.verification.verify(code)
    assert [one.id for one in await people.users.page()] == [user.id]


async def test_neither_code_nor_password_is_in_the_database(people: People, sql: SQL) -> None:
    await people.registrations.register(ANN, "Ann", PASSWORD)
    code = await people.code_to(ANN)
    rows = await sql.read(lambda c: str(c.exec_driver_sql("SELECT * FROM one_time_codes").all()))
    mail = await sql.read(lambda c: str(c.exec_driver_sql("SELECT message FROM outbox").all()))
    assert code not in rows + mail and PASSWORD not in rows + mail and "$2b$" in rows
    await people.verification.verify(code)
    left = await sql.read(lambda c: c.scalars(select(one_time_codes.c.password_hash)).all())
    assert left == [None]


async def test_who_registers_under_a_strange_address_gets_nothing(people: People) -> None:
    """Two registrations of one address: each code makes its own, and only the mailbox has the codes."""
    await people.registrations.register(ANN, "Mallory", OTHER_PASSWORD)
    await people.registrations.register(ANN, "Ann", PASSWORD)
    user = await people.verification.verify(await people.code_to(ANN))
    assert user.name == "Ann"
    with pytest.raises(Unauthenticated):
        await people.users.authenticate(ANN, OTHER_PASSWORD)
    await people.users.authenticate(ANN, PASSWORD)
    first = (await people.mails(ANN))[0].get_body(("plain",))
    assert first is not None
    with pytest.raises(CodeUnknown):  # Mallory's, withdrawn
        await people.verification.verify(first.get_content().split("code=")[1].split()[0])


async def test_an_address_with_an_account_is_told_so_by_mail_alone(people: People) -> None:
    user = await people.make("ann")
    await people.registrations.register(ANN, "Mallory", OTHER_PASSWORD)
    mail = (await people.mails(ANN))[-1].get_body(("plain",))
    assert mail is not None and f"{URL}/account/reset?code=" in mail.get_content()
    code = await people.code_to(ANN)
    with pytest.raises(CodeUnknown):  # it is for a new password, not for an account
        await people.verification.verify(code)
    await people.users.authenticate(ANN, PASSWORD)
    assert [one.id for one in await people.users.page()] == [user.id]


async def test_a_mailbox_is_not_filled(people: People, clock: ManualClock) -> None:
    for _ in range(10):
        await people.registrations.register(ANN, "Ann", PASSWORD)
    assert len(await people.mails()) == 5
    clock.advance(3600)
    await people.registrations.register(ANN, "Ann", PASSWORD)
    assert len(await people.mails()) == 6


async def test_a_code_of_two_at_once_is_used_by_one(people: People) -> None:
    await people.registrations.register(ANN, "Ann", PASSWORD)
    code = await people.code_to(ANN)
    made = await asyncio.gather(*(people.verification.verify(code) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(one, User) for one in made) == 1, made
    assert all(isinstance(one, User | CodeUsed) for one in made), made


async def test_a_code_expires(people: People, clock: ManualClock) -> None:
    await people.registrations.register(ANN, "Ann", PASSWORD)
    code = await people.code_to(ANN)
    clock.advance(people.settings.verification_s)
    with pytest.raises(CodeUnknown):
        await people.verification.verify(code)


@pytest.mark.parametrize("registration", ["closed", "invitation"])
async def test_registration_can_be_switched_off(sql: SQL, clock: ManualClock, registration: str) -> None:
    people = People(sql, clock, registration=registration)
    with pytest.raises(Forbidden):
        await people.registrations.register(ANN, "Ann", PASSWORD)
    assert await people.mails() == []


async def test_an_invitation_is_worth_nothing_once_registration_is_closed(sql: SQL, clock: ManualClock) -> None:
    inviting, closed = People(sql, clock, registration="invitation"), People(sql, clock, registration="closed")
    await inviting.start()
    await inviting.registrations.invite(ANN, Role.ADMINISTRATOR, by="root")
    await inviting.stop()
    await closed.start()
    with pytest.raises(Forbidden):
        await closed.registrations.accept(await closed.code_to(ANN), "Ann", PASSWORD)
    await closed.stop()


async def test_an_invitation_is_for_its_address_and_role(people: People, clock: ManualClock) -> None:
    made = await people.registrations.invite(ANN, Role.OPERATOR, by="root")
    assert made.mailed and made.code is None and made.link is None
    again = await people.registrations.invite(ANN, Role.MANAGER, by="root")
    assert again.email == ANN
    assert [(one.email, one.role) for one in await people.registrations.invitations()] == [(ANN, Role.MANAGER)]
    user = await people.registrations.accept(await people.code_to(ANN), "Ann", PASSWORD)
    assert (user.email, user.role, user.created_by) == (ANN, Role.MANAGER, "root")
    assert await people.registrations.invitations() == []
    with pytest.raises(AddressTaken):
        await people.registrations.invite(ANN, Role.VIEWER, by="root")
    await people.registrations.invite("bob@lab.example", Role.VIEWER, by="root")
    (open_one,) = await people.registrations.invitations()
    await people.registrations.withdraw(open_one.id)
    with pytest.raises(NotFound):
        await people.registrations.withdraw(open_one.id)
    with pytest.raises(CodeUnknown):
        await people.registrations.accept(await people.code_to("bob@lab.example"), "Bob", PASSWORD)


async def test_where_no_mail_leaves_an_administrator_hands_codes_out(sql: SQL, clock: ManualClock) -> None:
    people = People(sql, clock, with_mail=False)
    await people.start()
    for asking in (people.registrations.register(ANN, "Ann", PASSWORD), people.resets.request(ANN)):
        with pytest.raises(Unavailable):
            await asking
    made = await people.registrations.invite(ANN, Role.VIEWER, by="root")
    assert not made.mailed and made.code is not None and made.link == f"{URL}/account/accept?code={made.code}"
    user = await people.registrations.accept(made.code, "Ann", PASSWORD)
    sent = await people.resets.send(user.id, by="root")
    assert sent.code is not None
    await people.resets.reset(sent.code, OTHER_PASSWORD)
    await people.users.authenticate(ANN, OTHER_PASSWORD)
    await people.stop()


async def test_a_forgotten_password_is_set_anew_by_mail_and_ends_every_session(people: People) -> None:
    user = await people.make("ann")
    await begin_session(people, user, "a" * 16)
    await people.resets.request("ANN@lab.example")
    await people.resets.request(ANN)
    code = await people.code_to(ANN)
    with pytest.raises(Invalid):
        await people.resets.reset(code, "short")
    await people.resets.reset(code, OTHER_PASSWORD)
    assert await ended(people) == {"a" * 16: "password"}
    await people.users.authenticate(ANN, OTHER_PASSWORD)
    with pytest.raises(Unauthenticated):
        await people.users.authenticate(ANN, PASSWORD)
    with pytest.raises(CodeUsed):
        await people.resets.reset(code, PASSWORD)
    mails = await people.mails(ANN)
    assert len(mails) == 3  # the last says that it was changed
    first = mails[0].get_body(("plain",))
    assert first is not None
    with pytest.raises(CodeUnknown):  # the other code that was asked for
        await people.resets.reset(first.get_content().split("code=")[1].split()[0], PASSWORD)


async def test_nobody_and_the_disabled_get_no_mail(people: People) -> None:
    user = await people.make("ann")
    await people.resets.request(ANN)
    code = await people.code_to(ANN)
    await people.users.disable(user.id)
    with pytest.raises(CodeUnknown):
        await people.resets.reset(code, OTHER_PASSWORD)
    for address in (ANN, "nobody@lab.example"):
        await people.resets.request(address)
    assert len(await people.mails()) == 1


async def test_the_time_does_not_tell_who_is_mailed(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """To render, seal and write a mail takes longer than all the rest of it."""
    await people.make("ann")
    written, put = [], Outbox.put

    def noted(outbox: Outbox, connection: Connection, mail: Mail) -> None:
        written.append(mail.to)
        put(outbox, connection, mail)

    monkeypatch.setattr(Outbox, "put", noted)
    for address in (ANN, "nobody@lab.example"):
        await people.resets.request(address)
        for _ in range(people.settings.lockout_failures):
            with pytest.raises(Unauthenticated):
                await people.users.authenticate(address, "wrong")
    assert written == [ANN, ANN, "nobody@lab.example", NOBODY]
    assert [mail["To"] for mail in await people.mails()] == [ANN, ANN]


async def test_unknown_wrong_and_disabled_look_the_same(people: People) -> None:
    disabled = await people.make("dan")
    await people.make("ann")
    await people.make("pia", password=None)
    await people.users.disable(disabled.id)
    answers = set()
    for address, password in (
        (ANN, "wrong"),
        ("nobody@lab.example", PASSWORD),
        ("dan@lab.example", PASSWORD),
        ("pia@lab.example", PASSWORD),
        ("no address at all \udcff", PASSWORD),
        ("", ""),
    ):
        with pytest.raises(Unauthenticated) as refused:
            await people.users.authenticate(address, password)
        answers.add((type(refused.value), refused.value.message, refused.value.remedy))
    assert len(answers) == 1


@pytest.mark.parametrize("address", [ANN, "nobody@lab.example"])
async def test_a_name_is_locked_longer_and_longer_account_or_not(
    people: People, clock: ManualClock, address: str
) -> None:
    await people.make("ann")
    for _ in range(people.settings.lockout_failures):
        with pytest.raises(Unauthenticated, match="wrong"):
            await people.users.authenticate(address, "wrong")
    for wait_s in (5, 10, 20, 40, 80, 160, 320, 640, 900, 900):
        with pytest.raises(LockedOut) as locked:
            await people.users.authenticate(address.upper(), PASSWORD)
        assert locked.value.retry_after_s == wait_s
        clock.advance(wait_s - 0.5)
        with pytest.raises(LockedOut):
            await people.users.authenticate(address, PASSWORD)
        clock.advance(0.5)
        with pytest.raises(Unauthenticated, match="wrong"):
            await people.users.authenticate(address, "wrong")
    told = await people.mails(address)
    assert len(told) == (1 if address == ANN else 0)


async def test_the_right_password_ends_the_counting(people: People, clock: ManualClock) -> None:
    await people.make("ann")
    for _ in range(3):
        for _ in range(people.settings.lockout_failures - 1):
            with pytest.raises(Unauthenticated, match="wrong"):
                await people.users.authenticate(ANN, "wrong")
        await people.users.authenticate(ANN, PASSWORD)
    for _ in range(people.settings.lockout_failures):
        with pytest.raises(Unauthenticated, match="wrong"):
            await people.users.authenticate(ANN, "wrong")
    await people.resets.request(ANN)  # whoever reads the mail need not wait
    await people.resets.reset(await people.code_to(ANN), OTHER_PASSWORD)
    await people.users.authenticate(ANN, OTHER_PASSWORD)


async def test_failures_are_forgotten_after_a_day(people: People, clock: ManualClock) -> None:
    for _ in range(people.settings.lockout_failures):
        with pytest.raises(Unauthenticated):
            await people.users.authenticate(ANN, "wrong")
    clock.advance(86_401)
    for _ in range(people.settings.lockout_failures):
        with pytest.raises(Unauthenticated, match="wrong"):
            await people.users.authenticate(ANN, "wrong")


async def test_many_at_once_get_no_more_tries(people: People) -> None:
    await people.make("ann")
    tries = (people.users.authenticate(ANN, f"wrong {number}") for number in range(30))
    refused = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, LockedOut) for one in refused) == people.settings.lockout_failures
    assert all(isinstance(one, Unauthenticated) for one in refused), refused


async def test_a_password_that_nobody_had_time_to_check_is_no_failure(people: People) -> None:
    await people.make("ann")
    check = people.passwords.check

    async def refuse(password: str, password_hash: str | None) -> bool:
        raise TooMany("too many passwords are being checked at once")

    people.passwords.check = refuse  # type: ignore[method-assign]
    for _ in range(people.settings.lockout_failures + 1):
        with pytest.raises(TooMany):
            await people.users.authenticate(ANN, PASSWORD)
    people.passwords.check = check  # type: ignore[method-assign]
    with pytest.raises(Unauthenticated):
        await people.users.authenticate(ANN, "wrong")
    await people.users.authenticate(ANN, PASSWORD)


async def test_a_password_is_changed_with_the_old_one_and_ends_the_other_sessions(people: People) -> None:
    user = await people.make("ann")
    for session in ("a" * 16, "b" * 16):
        await begin_session(people, user, session)
    with pytest.raises(WrongPassword):
        await people.profiles.change_password(user.id, "wrong", OTHER_PASSWORD, session=None)
    with pytest.raises(Invalid):
        await people.profiles.change_password(user.id, PASSWORD, "ann@lab.example", session=None)
    assert await ended(people) == {"a" * 16: None, "b" * 16: None}
    await people.profiles.change_password(user.id, PASSWORD, OTHER_PASSWORD, session="a" * 16)
    assert await ended(people) == {"a" * 16: None, "b" * 16: "password"}
    await people.users.authenticate(ANN, OTHER_PASSWORD)
    for _ in range(people.settings.lockout_failures):
        with pytest.raises(WrongPassword):
            await people.profiles.delete(user.id, "wrong")
    with pytest.raises(TooMany) as locked:  # not 401: the session is good
        await people.profiles.delete(user.id, OTHER_PASSWORD)
    assert locked.value.retry_after_s == 5


@pytest.mark.parametrize("act", ["reset", "change", "correct", "disable"])
async def test_who_loses_an_account_keeps_no_code_that_gives_it_back(people: People, act: str) -> None:
    """Whoever knew the password had a new address mailed to a mailbox of theirs, or a reset to the old one."""
    user, theirs = await people.make("ann"), "mallory@lab.example"
    await people.resets.request(ANN)
    stale = await people.code_to(ANN)
    await people.profiles.request_address(user.id, PASSWORD, theirs)
    if act == "reset":
        await people.resets.request(ANN)
        await people.resets.reset(await people.code_to(ANN), OTHER_PASSWORD)
    elif act == "change":
        await people.profiles.change_password(user.id, PASSWORD, OTHER_PASSWORD, session=None)
    elif act == "correct":
        await people.users.update(user.id, email="ann.smith@lab.example")
    else:
        await people.users.disable(user.id)
        await people.users.enable(user.id)
    with pytest.raises(CodeUnknown):
        await people.verification.verify(await people.code_to(theirs))
    with pytest.raises(CodeUnknown):
        await people.resets.reset(stale, "another pebble gravel moon")


@pytest.mark.parametrize("act", ["password", "address", "deletion"])
async def test_a_proof_by_the_old_password_is_worth_nothing_after_a_reset(people: People, act: str) -> None:
    user, check = await people.make("ann"), people.passwords.check
    await people.resets.request(ANN)
    code = await people.code_to(ANN)

    async def check_slowly(password: str, password_hash: str | None) -> bool:
        right = await check(password, password_hash)
        await people.resets.reset(code, OTHER_PASSWORD)
        return right

    people.passwords.check = check_slowly  # type: ignore[method-assign]
    with pytest.raises(WrongPassword):
        if act == "password":
            await people.profiles.change_password(user.id, PASSWORD, "another pebble gravel moon", session=None)
        elif act == "address":
            await people.profiles.request_address(user.id, PASSWORD, "mallory@lab.example")
        else:
            await people.profiles.delete(user.id, PASSWORD)
    people.passwords.check = check  # type: ignore[method-assign]
    assert await people.last_code("mallory@lab.example") is None
    await people.users.authenticate(ANN, OTHER_PASSWORD)


async def test_an_address_changes_when_its_new_mailbox_says_so(people: People) -> None:
    user, new = await people.make("ann"), "ann.smith@lab.example"
    await people.resets.request(ANN)
    stale = await people.code_to(ANN)
    with pytest.raises(WrongPassword):
        await people.profiles.request_address(user.id, "wrong", new)
    await people.profiles.request_address(user.id, PASSWORD, new)
    assert (await people.users.get(user.id)).email == ANN
    changed = await people.verification.verify(await people.code_to(new))
    assert (changed.id, changed.email) == (user.id, new)
    assert new in str((await people.mails(ANN))[-1].get_body(("plain",)))
    with pytest.raises(CodeUnknown):  # mailed to the old address
        await people.resets.reset(stale, OTHER_PASSWORD)
    await people.users.authenticate(new, PASSWORD)


async def test_an_address_that_was_taken_meanwhile_stays_its_owners(people: People) -> None:
    user, new = await people.make("ann"), "bob@lab.example"
    await people.profiles.request_address(user.id, PASSWORD, new)
    code = await people.code_to(new)
    bob = await people.make("bob")
    with pytest.raises(AddressTaken):
        await people.verification.verify(code)
    await people.profiles.request_address(user.id, PASSWORD, new)  # and its owner is told
    with pytest.raises(CodeUnknown):
        await people.verification.verify(await people.code_to(new))
    assert (await people.find(new)) == bob and (await people.users.get(user.id)).email == ANN


async def test_a_deleted_person_is_forgotten_and_their_id_stays(people: People, sql: SQL) -> None:
    user = await people.make("ann")
    await begin_session(people, user, "a" * 16)
    await people.resets.request(ANN)
    code = await people.code_to(ANN)
    with pytest.raises(WrongPassword):
        await people.profiles.delete(user.id, None)
    await people.profiles.delete(user.id, PASSWORD)
    assert await ended(people) == {"a" * 16: "deleted"}
    for gone in (people.users.get(user.id), people.users.enable(user.id), people.users.set_role(user.id, Role.MANAGER)):
        with pytest.raises(UserNotFound):
            await gone
    with pytest.raises(Unauthenticated):
        await people.users.authenticate(ANN, PASSWORD)
    with pytest.raises(CodeUnknown):
        await people.resets.reset(code, OTHER_PASSWORD)
    row = await sql.read(lambda c: str(c.exec_driver_sql("SELECT * FROM users").all()))
    assert "ann" not in row and "$2b$" not in row and str(user.id) in row
    again = await people.make("ann")  # the address is free, the id is not
    assert again.id != user.id


async def test_who_has_no_password_deletes_by_the_address_and_with_every_scope(people: People) -> None:
    user = await people.make("ann", Role.OPERATOR, password=None)
    mine = Role.OPERATOR.scopes
    narrowed = frozenset({Scope.READ})
    for email, scopes in ((ANN, narrowed), (ANN, frozenset()), (None, mine), ("", mine), ("bob@lab.example", mine)):
        with pytest.raises(Forbidden):
            await people.profiles.delete(user.id, None, email=email, scopes=scopes)
    await people.profiles.delete(user.id, None, email=" Ann@LAB.example", scopes=mine)
    with pytest.raises(UserNotFound):
        await people.users.get(user.id)


async def test_the_last_administrator_who_can_log_in_stays(people: People) -> None:
    root = await people.make("root", Role.ADMINISTRATOR)
    spare = await people.make("spare", Role.ADMINISTRATOR)
    await people.users.disable(spare.id)
    for taking in (
        people.users.disable(root.id),
        people.users.delete(root.id),
        people.users.set_role(root.id, Role.MANAGER),
        people.profiles.delete(root.id, PASSWORD),
    ):
        with pytest.raises(LastAdministrator):
            await taking
    await people.users.enable(spare.id)
    await people.users.set_role(root.id, Role.ADMINISTRATOR)
    await people.users.set_role(root.id, Role.VIEWER)


async def test_an_administrator_who_cannot_log_in_yet_is_none_to_be_left_alone(people: People) -> None:
    root = await people.make("root", Role.ADMINISTRATOR)
    waiting = await people.make("waiting", Role.ADMINISTRATOR, password=None)
    for taking in (people.users.disable(root.id), people.users.delete(root.id)):
        with pytest.raises(LastAdministrator):
            await taking
    await people.users.disable(waiting.id)  # nobody is lost by it
    await people.users.enable(waiting.id)
    claims, now = Claims("17", "waiting@lab.example", True, None), people.clock.now()
    await people.sql.write(lambda c: insert_identity(c, waiting.id, "lab", claims, KeptTokens(), now))
    await people.users.disable(root.id)


async def test_of_two_administrators_who_remove_each_other_one_stays(people: People) -> None:
    one, two = [await people.make(name, Role.ADMINISTRATOR) for name in ("one", "two")]
    done = await asyncio.gather(people.users.delete(one.id), people.users.disable(two.id), return_exceptions=True)
    assert sum(isinstance(each, User) for each in done) == 1, done
    assert sum(isinstance(each, LastAdministrator) for each in done) == 1, done


async def test_a_role_that_allows_less_ends_the_sessions(people: People) -> None:
    user = await people.make("ann", Role.OPERATOR)
    await begin_session(people, user, "a" * 16)
    assert (await people.users.set_role(user.id, Role.MANAGER)).role is Role.MANAGER
    assert await ended(people) == {"a" * 16: None}
    await people.users.set_role(user.id, Role.VIEWER)
    assert await ended(people) == {"a" * 16: "role"}


async def test_one_address_one_account_however_it_is_spelled(people: People) -> None:
    await people.make("ann")
    for spelling in ("ANN@LAB.EXAMPLE", " ann@lab.example ", "ａｎｎ@lab.example"):
        with pytest.raises(AddressTaken):
            await people.users.create(UserDraft(spelling, "x", Role.VIEWER), by=None)
        assert (await people.users.authenticate(spelling, PASSWORD)).email == ANN
    made = await asyncio.gather(*(people.make("bob") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(one, User) for one in made) == 1
    assert all(isinstance(one, User | Conflict) for one in made)


async def test_people_are_listed_in_pages(people: People) -> None:
    for name in ("d", "b", "a_b", "c"):
        await people.make(name)
    first = await people.users.page(limit=2)
    rest = await people.users.page(after=first[-1].email, limit=10)
    assert [user.name for user in (*first, *rest)] == ["a_b", "b", "c", "d"]
    assert [user.name for user in await people.users.page(part="A_")] == ["a_b"]
    assert await people.users.page(part="%") == []


async def test_a_new_cost_makes_the_hash_anew_at_the_next_login(people: People, sql: SQL) -> None:
    await people.make("ann")
    dearer = People(sql, people.clock, bcrypt_rounds=5)
    await dearer.start()
    await dearer.users.authenticate(ANN, PASSWORD)
    await dearer.users.authenticate(ANN, PASSWORD)
    assert "$2b$05$" in await sql.read(lambda c: str(c.exec_driver_sql("SELECT password_hash FROM users").all()))
    await dearer.stop()


async def test_a_password_changed_during_a_login_lets_nobody_in(people: People) -> None:
    user = await people.make("ann")
    check = people.passwords.check

    async def check_slowly(password: str, password_hash: str | None) -> bool:
        right = await check(password, password_hash)
        await people.users.disable(user.id)
        return right

    people.passwords.check = check_slowly  # type: ignore[method-assign]
    with pytest.raises(Unauthenticated):
        await people.users.authenticate(ANN, PASSWORD)


async def test_every_act_is_one_transaction(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies has done all of it or nothing: there is no commit in between."""
    user = await people.make("ann")
    writes = 0
    write = people.sql.write

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        return await write(*arguments, **options)

    monkeypatch.setattr(people.sql, "write", counted)
    new, bob, ivy = "ann.smith@lab.example", "bob@lab.example", "ivy@lab.example"
    acts: list[tuple[int, Callable[[], Awaitable[Any]]]] = [
        (1, lambda: people.registrations.register(bob, "Bob", PASSWORD)),
        (1, lambda: verified(bob)),
        (1, lambda: people.registrations.invite(ivy, Role.VIEWER, by="root")),
        (1, lambda: accepted(ivy)),
        (1, lambda: people.resets.request(ANN)),
        (1, lambda: reset(ANN)),
        (1, lambda: people.resets.send(user.id, by="root")),
        # and two for the password: the attempt is counted before, and forgotten after
        (3, lambda: people.profiles.request_address(user.id, OTHER_PASSWORD, new)),
        (1, lambda: people.profiles.confirm_address(codes[new])),
        (3, lambda: people.profiles.change_password(user.id, OTHER_PASSWORD, PASSWORD, session=None)),
        (2, lambda: people.users.authenticate(new, PASSWORD)),
        (1, lambda: people.users.set_role(user.id, Role.OPERATOR)),
        (1, lambda: people.users.disable(user.id)),
        (1, lambda: people.users.delete(user.id)),
        (3, lambda: deleted(bob)),
    ]
    codes: dict[str, str] = {}

    async def verified(email: str) -> User:
        return await people.registrations.verify(codes[email])

    async def accepted(email: str) -> User:
        return await people.registrations.accept(codes[email], "Ivy", PASSWORD)

    async def reset(email: str) -> User:
        return await people.resets.reset(codes[email], OTHER_PASSWORD)

    async def deleted(email: str) -> User:
        found = await people.find(email)
        assert found is not None
        return await people.profiles.delete(found.id, PASSWORD)

    for number, (expected, act) in enumerate(acts):
        for email in (bob, ivy, ANN, new):
            codes[email] = await people.last_code(email) or ""
        writes = 0
        await act()
        assert writes == expected, (number, writes)


@pytest.mark.parametrize("gone", ["deleted", "moved", "moved by themselves"])
async def test_an_old_invitation_makes_nobody_of_who_got_an_account_otherwise(people: People, gone: str) -> None:
    """Else its role would come back when the account is gone, or has another address."""
    await people.registrations.invite(ANN, Role.ADMINISTRATOR, by="root")
    invitation = await people.code_to(ANN)
    user = await people.make("ann")
    if gone == "deleted":
        await people.users.delete(user.id)
    elif gone == "moved":
        await people.users.update(user.id, email="ann.smith@lab.example")
    else:
        await people.profiles.request_address(user.id, PASSWORD, "ann.smith@lab.example")
        await people.verification.verify(await people.code_to("ann.smith@lab.example"))
    assert await people.registrations.invitations() == []
    with pytest.raises(CodeUnknown):
        await people.registrations.accept(invitation, "Ann", OTHER_PASSWORD)


@pytest.mark.parametrize("by", ["an administrator", "themselves"])
async def test_an_invitation_to_an_address_that_somebody_takes_is_over(people: People, by: str) -> None:
    new = "ann.smith@lab.example"
    user = await people.make("ann")
    await people.profiles.request_address(user.id, PASSWORD, new)
    code = await people.code_to(new)
    await people.registrations.register(new, "Ann", OTHER_PASSWORD)
    await people.registrations.invite(new, Role.ADMINISTRATOR, by="root")
    invitation = await people.code_to(new)
    if by == "themselves":
        await people.verification.verify(code)
    else:
        await people.users.update(user.id, email=new)
    await people.users.update(user.id, email=ANN)
    with pytest.raises(CodeUnknown):
        await people.registrations.accept(invitation, "Ann", OTHER_PASSWORD)
    unused = select(one_time_codes.c.purpose).where(one_time_codes.c.used_at.is_(None))
    assert await people.sql.read(lambda c: c.scalars(unused).all()) == []
