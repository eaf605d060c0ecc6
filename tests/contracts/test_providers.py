"""Whom an identity provider's word lets in, over both databases. The provider is forged: it says what a test wants."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import Connection, delete, select

from backend.src.core.errors import Invalid, NotFound, Unauthenticated
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import audit, authorization_codes, identities, login_attempts, one_time_codes
from backend.src.services.accounts import codes, user_rows
from backend.src.services.accounts.codes import CodeDraft, Purpose
from backend.src.services.accounts.principal import Role, Scope
from backend.src.services.accounts.session_opening import Visit
from backend.src.services.accounts.token_pair import TokenPair
from backend.src.services.accounts.user_rows import User
from backend.src.services.accounts.users import TRUST, delete_user, disable_user
from backend.src.services.providers import Answer, LoginStarted, ProviderOptions, Providers, SentBack, Wish
from backend.src.services.providers.errors import AttemptUnknown, LastWayIn, NotAdmitted
from tests.contracts.people import People
from tests.contracts.shared_database import shared_database, shared_sql
from tests.forged_provider import SETTINGS, ForgedProvider
from tests.manual_clock import ManualClock

__all__ = ["shared_database", "shared_sql"]

SECRET_KEY = "s" * 32
# patient: it answers at once, but on a busy machine that may take a second
OFFLINE = replace(SETTINGS, scopes="openid email offline_access", timeout_s=60.0)
OTHER = replace(OFFLINE, scopes=SETTINGS.scopes, name="other", label="The other one")
OPTIONS = ProviderOptions("https://larder.example", "", "open", "larder-docs")
CHALLENGE = "c" * 43


class Stand:
    """Providers, who they let in, and people who come."""

    def __init__(self, sql: SQL, clock: ManualClock, registration: str, secret_key: str = SECRET_KEY) -> None:
        self.sql, self.clock = sql, clock
        self.forged = ForgedProvider(clock)
        self.users: list[User] = []
        options = replace(OPTIONS, registration=registration)
        self.people = People(sql, clock)
        self.service = Providers(
            sql, self.people.mail, self._begin, clock, secret_key, (OFFLINE, OTHER), options, self.forged.transport()
        )
        self._numbers = itertools.count()

    async def _begin(self, user: User, _method: str, _visit: Visit) -> TokenPair:
        self.users.append(user)
        return TokenPair("access", "refresh", 600, (Scope.READ,), "0123456789abcdef")

    async def begin(self, wish: Wish | None = None, provider: str = "lab") -> LoginStarted:
        started = await self.service.begin(provider, wish or Wish())
        (self.forged.claims["nonce"],) = parse_qs(urlsplit(started.address).query)["nonce"]
        return started

    async def log_in(self, subject: str = "17", wish: Wish | None = None, **claims: Any) -> User:
        """As somebody at the provider who has this address there."""
        end = await self.come_back(subject, wish, **claims)
        assert isinstance(end, TokenPair)
        return self.users[-1]

    async def come_back(self, subject: str = "17", wish: Wish | None = None, **claims: Any) -> TokenPair | SentBack:
        started = await self.begin(wish)
        self.forged.claims |= {"sub": subject, "email": "ada@example.org", "email_verified": True, **claims}
        return await self.service.finish("lab", answer(started))

    async def make(self, email: str, role: Role = Role.OPERATOR, password_hash: str | None = None) -> User:
        def insert(connection: Connection) -> User:
            return user_rows.insert_user(
                connection, email=email, name="Ada", role=role, password_hash=password_hash, created_by=None,
                now=self.clock.now(),
            )  # fmt: skip

        return await self.sql.write(insert, touches=user_rows.TABLES)

    async def rows(self, table: Any) -> list[Any]:
        return await self.sql.read(lambda connection: list(connection.execute(select(table)).mappings()))


def answer(started: LoginStarted, **changed: Any) -> Answer:
    return replace(Answer(state=started.state, browser=started.browser, code="the code"), **changed)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def stand_of(shared_sql: SQL, clock: ManualClock) -> AsyncIterator[Callable[..., Any]]:
    """Makes a started one."""
    made: list[Stand] = []
    await shared_sql.write(lambda c: [c.execute(delete(table)) for table in (login_attempts, one_time_codes)])

    async def make(registration: str = "open", **more: Any) -> Stand:
        stand = Stand(shared_sql, clock, registration, **more)
        await stand.service.start()
        made.append(stand)
        return stand

    yield make
    for stand in made:
        await stand.service.stop()


@pytest.fixture
async def stand(stand_of: Callable[..., Any]) -> Stand:
    made: Stand = await stand_of()
    return made


# ---- who is let in ----


async def test_a_first_login_makes_an_account_and_the_next_finds_it(stand: Stand) -> None:
    first = await stand.log_in()
    assert (first.email, first.name, first.role) == ("ada@example.org", "Ada", Role.VIEWER)
    assert first.verified and not first.has_password
    again = await stand.log_in(email="married@example.org", email_verified=False)
    assert again.id == first.id and again.email == "ada@example.org"
    (identity,) = await stand.service.identities(first.id)
    assert (identity.provider, identity.subject, identity.email) == ("lab", "17", "married@example.org")
    assert identity.last_login_at is not None


async def test_a_verified_address_finds_its_account_in_any_spelling(stand: Stand) -> None:
    known = await stand.make("ada@example.org")
    assert (await stand.log_in(email=" Ada@EXAMPLE.org ".strip())).id == known.id
    (entry,) = [row for row in await stand.rows(audit) if row["action"] == "identity.link"]
    assert (entry["actor_id"], entry["detail"]) == (str(known.id), {"provider": "lab"})


async def test_whoever_owns_an_account_is_told_of_a_new_way_into_it(stand: Stand) -> None:
    await stand.log_in(email="new@example.org")
    known = await stand.make("told@example.org")
    for _ in range(2):
        assert (await stand.log_in(subject="18", email="told@example.org")).id == known.id
    (notice,) = await stand.people.mails("told@example.org")
    assert "a new way to log in" in notice["Subject"].lower() and not await stand.people.mails("new@example.org")


@pytest.mark.parametrize(
    "claims", [{"email_verified": False}, {"email_verified": None}, {"email": None}, {"email": "no address"}]
)
async def test_an_address_that_is_not_proven_links_nobody(stand: Stand, claims: dict[str, Any]) -> None:
    await stand.make("ada@example.org")
    stand.forged.userinfo = {"sub": "17"}
    with pytest.raises(NotAdmitted):
        await stand.log_in(**claims)
    assert await stand.rows(identities) == [] and stand.users == []


async def test_an_address_that_was_given_to_somebody_else_is_not_theirs(stand: Stand) -> None:
    await stand.log_in("17")
    with pytest.raises(NotAdmitted, match="somebody else"):
        await stand.log_in("18")


async def test_a_second_provider_may_say_the_same_of_the_same_person(stand: Stand) -> None:
    first = await stand.log_in()
    started = await stand.begin(provider="other")
    await stand.service.finish("other", answer(started))
    assert stand.users[-1].id == first.id
    assert [one.provider for one in await stand.service.identities(first.id)] == ["lab", "other"]


@pytest.mark.parametrize("registration", ["closed", "invitation"])
async def test_whoever_has_an_account_needs_no_registration(stand_of: Callable[..., Any], registration: str) -> None:
    stand = await stand_of(registration)
    known = await stand.make("ada@example.org")
    assert (await stand.log_in()).id == known.id


@pytest.mark.parametrize("registration", ["closed", "invitation"])
async def test_without_an_account_or_an_invitation_nobody_comes_in(
    stand_of: Callable[..., Any], registration: str
) -> None:
    stand = await stand_of(registration)
    with pytest.raises(NotAdmitted, match="no account") as caught:
        await stand.log_in()
    assert caught.value.remedy and await stand.rows(identities) == []


async def invite(stand: Stand, email: str, lifetime_s: float = 600.0) -> None:
    draft = CodeDraft(purpose=Purpose.INVITATION, lifetime_s=lifetime_s, email=email, role=Role.MANAGER, created_by="x")
    await stand.sql.write(lambda c: codes.insert_code(c, codes.new_code(), draft, stand.clock.now()))


async def test_an_invitation_is_used_up_by_its_address(stand_of: Callable[..., Any]) -> None:
    stand = await stand_of("invitation")
    await invite(stand, "ada@example.org")
    with pytest.raises(NotAdmitted):
        await stand.log_in("18", email="eve@example.org")
    user = await stand.log_in()
    assert user.role is Role.MANAGER
    assert [row["used_at"] is not None for row in await stand.rows(one_time_codes)] == [True]


async def test_an_old_invitation_gives_nobody_its_role_after_their_account_is_gone(stand: Stand) -> None:
    await invite(stand, "ada@example.org")
    made = await stand.make("ada@example.org", Role.VIEWER)
    await stand.sql.write(lambda c: delete_user(c, made.id, stand.clock.now()), touches=TRUST)
    assert (await stand.log_in()).role is Role.VIEWER


@pytest.mark.parametrize(("registration", "lifetime_s"), [("closed", 600.0), ("invitation", 1.0)])
async def test_an_invitation_that_does_not_count_lets_nobody_in(
    stand_of: Callable[..., Any], registration: str, lifetime_s: float
) -> None:
    stand = await stand_of(registration)
    await invite(stand, "ada@example.org", lifetime_s)
    stand.clock.advance(2)
    with pytest.raises(NotAdmitted):
        await stand.log_in()


async def test_the_disabled_stay_out_however_they_come(stand: Stand) -> None:
    known, other = await stand.log_in(), await stand.make("eve@example.org")
    for user in (known, other):
        await stand.sql.write(partial(disable_user, user_id=user.id, now=stand.clock.now()), touches=TRUST)
    with pytest.raises(NotAdmitted, match="disabled"):
        await stand.log_in()
    with pytest.raises(NotAdmitted, match="disabled"):
        await stand.log_in("18", email="eve@example.org")
    assert len(stand.users) == 1 and await stand.service.identities(other.id) == []


async def test_the_deleted_are_strangers_again(stand: Stand) -> None:
    first = await stand.log_in()
    await stand.sql.write(lambda c: delete_user(c, first.id, stand.clock.now()), touches=TRUST)
    assert (await stand.log_in()).id != first.id


async def test_two_first_logins_at_once_make_one_account(stand: Stand) -> None:
    begun = [await stand.begin() for _ in range(4)]
    nonces = {one.state: parse_qs(urlsplit(one.address).query)["nonce"][0] for one in begun}
    stand.forged.nonce_of_code = nonces.__getitem__
    await asyncio.gather(*(stand.service.finish("lab", answer(one, code=one.state)) for one in begun))
    assert len({user.id for user in stand.users}) == 1 and len(stand.users) == 4
    assert len(await stand.rows(identities)) == 1


# ---- a login is finished once, by who began it ----


@pytest.mark.parametrize(
    "changed",
    [{"state": "made up"}, {"browser": "another browser's"}, {"browser": None}, {"browser": ""}],
    ids=["state", "browser", "no browser", "empty"],
)
async def test_a_login_that_nobody_here_began_is_refused(stand: Stand, changed: dict[str, Any]) -> None:
    started = await stand.begin()
    with pytest.raises(AttemptUnknown):
        await stand.service.finish("lab", answer(started, **changed))
    assert stand.users == [] and "/token" not in stand.forged.paths()


async def test_a_refused_browser_uses_the_login_up(stand: Stand) -> None:
    """Whoever else has the state must not get to try cookies."""
    started = await stand.begin()
    for browser in ("another browser's", started.browser):
        with pytest.raises(AttemptUnknown):
            await stand.service.finish("lab", answer(started, browser=browser))


async def test_a_login_is_finished_once_even_by_two_at_once(stand: Stand) -> None:
    started = await stand.begin()
    ends = await asyncio.gather(
        *(stand.service.finish("lab", answer(started)) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["AttemptUnknown"] * 3 + ["TokenPair"]


async def test_a_login_takes_ten_minutes_at_most(stand: Stand) -> None:
    started, late = await stand.begin(), await stand.begin()
    stand.forged.claims["exp"] += 3_600
    stand.clock.advance(599)
    stand.forged.claims["nonce"] = parse_qs(urlsplit(started.address).query)["nonce"][0]
    await stand.service.finish("lab", answer(started))
    stand.clock.advance(1)
    with pytest.raises(AttemptUnknown):
        await stand.service.finish("lab", answer(late))


async def test_a_login_with_one_provider_is_not_finished_by_another(stand: Stand) -> None:
    started = await stand.begin()
    with pytest.raises(AttemptUnknown):
        await stand.service.finish("other", answer(started))
    for name in ("unknown", ""):
        with pytest.raises(NotFound):
            await stand.service.begin(name, Wish())


async def test_the_answer_of_another_provider_is_refused(stand: Stand) -> None:
    started = await stand.begin()
    with pytest.raises(Unauthenticated, match="another provider"):
        await stand.service.finish("lab", answer(started, issuer="https://login.other.example"))
    assert "/token" not in stand.forged.paths()


async def test_what_a_login_remembers_cannot_be_read_in_the_database(stand: Stand) -> None:
    started = await stand.begin(Wish("/page", CHALLENGE, "page's own"))
    nonce = stand.forged.claims["nonce"]
    stored = str(await stand.rows(login_attempts))
    for secret in (started.state, started.browser, nonce, "page's own"):
        assert secret not in stored


# ---- back to a page ----

WISH = Wish("/page?tab=1", CHALLENGE, "page's own", frozenset({Scope.READ}))


async def test_a_page_gets_a_code_and_no_tokens(stand: Stand) -> None:
    end = await stand.come_back(wish=WISH)
    assert isinstance(end, SentBack) and stand.users == []
    address = urlsplit(end.address)
    sent = {name: value for name, (value,) in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == "https://larder.example/page"
    assert set(sent) == {"tab", "code", "state"} and sent["state"] == "page's own"
    (row,) = await stand.rows(authorization_codes)
    assert (row["redirect_uri"], row["code_challenge"], row["client_id"]) == ("/page?tab=1", CHALLENGE, "larder-docs")
    assert row["scopes"] == ["read"] and sent["code"] not in str(row)


async def test_a_page_hears_of_a_refusal(stand: Stand) -> None:
    end = await stand.come_back(wish=WISH, email_verified=False)
    assert isinstance(end, SentBack) and "error=access_denied" in end.address and "state=page%27s+own" in end.address
    started = await stand.begin(WISH)
    end = await stand.service.finish("lab", answer(started, code=None, error="access_denied"))
    assert isinstance(end, SentBack) and "error=access_denied" in end.address
    why = {"provider": "lab", "because": "NotAdmitted"}
    assert [(one["action"], one["detail"]) for one in await stand.rows(audit)] == [("login.failed", why)] * 2
    stand.forged.overrides["/token"] = lambda _: httpx.Response(503)
    end = await stand.come_back(wish=WISH)
    assert isinstance(end, SentBack) and "error=temporarily_unavailable" in end.address


async def test_a_page_of_another_browser_hears_nothing(stand: Stand) -> None:
    started = await stand.begin(WISH)
    with pytest.raises(AttemptUnknown):
        await stand.service.finish("lab", answer(started, browser="another browser's"))


@pytest.mark.parametrize("challenge", [None, "short", "c" * 44, "c" * 42 + "="])
async def test_a_page_without_a_verifier_gets_no_code(stand: Stand, challenge: str | None) -> None:
    with pytest.raises(Invalid, match="verifier"):
        await stand.begin(Wish("/page", challenge))
    assert await stand.rows(login_attempts) == []


# ---- tokens of the provider ----


async def kept(stand: Stand) -> tuple[str | None, Any]:
    (row,) = await stand.rows(identities)
    return row["tokens"], row["tokens_expire_at"]


async def test_tokens_are_kept_sealed_and_only_when_they_can_be_renewed(stand: Stand) -> None:
    await stand.log_in()
    assert await kept(stand) == (None, None)
    stand.forged.tokens |= {"refresh_token": "the refresh token", "access_token": "the access token"}
    await stand.log_in()
    sealed, expires_at = await kept(stand)
    assert sealed is not None and (expires_at - stand.clock.now()).total_seconds() == 300
    # whole phrases: "dGhl" and "token" may stand among letters of chance
    for text in (sealed.encode(), base64.urlsafe_b64decode(sealed)):
        assert b"the refresh token" not in text and b"the access token" not in text


async def test_tokens_are_renewed_before_they_expire(stand: Stand) -> None:
    stand.forged.tokens |= {"refresh_token": "first", "expires_in": 3_600}
    await stand.log_in()
    assert await stand.service.renew_once() == 0
    stand.clock.advance(2_701)
    stand.forged.tokens["refresh_token"] = "second"
    assert await stand.service.renew_once() == 1
    assert stand.forged.form()["refresh_token"] == "first"
    assert await stand.service.renew_once() == 0
    stand.clock.advance(2_701)
    assert await stand.service.renew_once() == 1
    assert stand.forged.form()["refresh_token"] == "second"


async def test_tokens_that_the_provider_refuses_are_forgotten(stand: Stand) -> None:
    stand.forged.tokens["refresh_token"] = "first"
    user = await stand.log_in()
    working, stand.forged.tokens = stand.forged.tokens, {"error": "invalid_grant"}
    stand.forged.token_status = 400
    assert await stand.service.renew_once() == 0
    assert await kept(stand) == (None, None)
    stand.forged.token_status, stand.forged.tokens = 200, working
    assert (await stand.log_in()).id == user.id and (await kept(stand))[0] is not None


async def test_a_provider_that_is_away_is_asked_once_and_nothing_is_lost(stand: Stand) -> None:
    stand.forged.tokens["refresh_token"] = "first"
    await stand.log_in()
    await stand.log_in("18", email="eve@example.org")
    before = [row["tokens"] for row in await stand.rows(identities)]
    stand.forged.overrides["/token"] = lambda _: httpx.Response(503)
    asked = len(stand.forged.asked)
    assert await stand.service.renew_once() == 0
    assert len(stand.forged.asked) == asked + 1
    assert [row["tokens"] for row in await stand.rows(identities)] == before
    stand.forged.overrides.clear()
    assert await stand.service.renew_once() == 2


async def test_a_login_while_its_tokens_are_renewed_wins(stand: Stand) -> None:
    stand.forged.tokens["refresh_token"] = "first"
    await stand.log_in()

    async def meanwhile(request: httpx.Request) -> httpx.Response:
        del stand.forged.overrides["/token"]
        stand.forged.tokens["refresh_token"] = "of the login"
        await stand.log_in()
        return httpx.Response(200, json={"access_token": "a", "refresh_token": "of the renewal", "expires_in": 1})

    stand.forged.overrides["/token"] = meanwhile
    assert await stand.service.renew_once() == 0
    await stand.service.renew_once()
    assert stand.forged.form()["refresh_token"] == "of the login"


async def test_after_a_death_between_answer_and_commit_the_next_login_heals_it(stand: Stand) -> None:
    """The provider has rotated, and nobody kept what it answered: its refusal must not become a loop."""
    stand.forged.tokens["refresh_token"] = "first"
    user = await stand.log_in()
    sealed, expire_at = await kept(stand)
    used: set[str] = set()

    def rotating(request: httpx.Request) -> httpx.Response:
        token = parse_qs(request.content.decode())["refresh_token"][0]
        answered = {"error": "invalid_grant"} if token in used else {"access_token": "a", "refresh_token": "second"}
        used.add(token)
        return httpx.Response(400 if "error" in answered else 200, json=answered)

    stand.forged.overrides["/token"] = rotating
    await stand.service.renew_once()
    never_committed = identities.update().values(tokens=sealed, tokens_expire_at=expire_at)
    await stand.sql.write(lambda connection: connection.execute(never_committed) and None)
    assert await stand.service.renew_once() == 0
    assert await kept(stand) == (None, None)
    stand.forged.overrides.clear()
    assert (await stand.log_in()).id == user.id and (await kept(stand))[0] is not None


async def test_another_secret_key_forgets_what_it_cannot_read(stand: Stand, stand_of: Callable[..., Any]) -> None:
    stand.forged.tokens["refresh_token"] = "first"
    await stand.log_in()
    other = await stand_of(secret_key="t" * 32)
    assert await other.service.renew_once() == 0
    assert await kept(stand) == (None, None)


# ---- one's identities ----


async def test_an_identity_is_unlinked_by_its_owner_alone(stand: Stand) -> None:
    user = await stand.make("ada@example.org", password_hash="$2b$")
    await stand.log_in()
    stranger = await stand.make("eve@example.org", password_hash="$2b$")
    (identity,) = await stand.service.identities(user.id)
    for wrong in ((stranger.id, identity.id), (user.id, identity.id + 1)):
        with pytest.raises(NotFound):
            await stand.service.unlink(*wrong)
    await stand.service.unlink(user.id, identity.id)
    assert await stand.service.identities(user.id) == []


async def test_the_last_way_into_an_account_stays(stand: Stand) -> None:
    user = await stand.log_in()
    await stand.service.finish("other", answer(await stand.begin(provider="other")))
    one, two = await stand.service.identities(user.id)
    ends = await asyncio.gather(
        stand.service.unlink(user.id, one.id), stand.service.unlink(user.id, two.id), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == [LastWayIn.__name__, "NoneType"]
    assert len(await stand.service.identities(user.id)) == 1
