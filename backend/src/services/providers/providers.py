"""Providers: logins that begin here, go on at an identity provider, and end here (OpenID Connect)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx
from sqlalchemy import Connection

from backend.src.config.settings import ProviderSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import FieldError, Forbidden, Invalid, LarderError, Unauthenticated, Unavailable
from backend.src.core.seal import Seal
from backend.src.infra.openid import Asked, OpenIdClient
from backend.src.infra.sql import SQL
from backend.src.services.accounts import authorization_codes, user_rows
from backend.src.services.accounts.account_mail import AccountMail
from backend.src.services.accounts.authorization_codes import CodeRequest
from backend.src.services.accounts.principal import in_order
from backend.src.services.accounts.session_opening import Visit
from backend.src.services.accounts.token_pair import TokenPair
from backend.src.services.accounts.tokens import hash_of
from backend.src.services.accounts.user_rows import User
from backend.src.services.audit import AuditEntry, audit_rows
from backend.src.services.providers import identity_rows
from backend.src.services.providers.admission import Admission
from backend.src.services.providers.attempts import LIFETIME_S, Attempt, Attempts
from backend.src.services.providers.errors import IdentityNotFound, LastWayIn, NotAdmitted, ProviderNotFound
from backend.src.services.providers.identity_rows import Identity
from backend.src.services.providers.renewal import Renewal
from backend.src.services.providers.return_address import SentBack, checked_return_address, with_parameters
from backend.src.services.providers.visit import Answer, Wish

# OAuthAuthentication.begin_session
BeginSession = Callable[[User, str, Visit], Awaitable[TokenPair]]

METHOD = "provider"
RANDOM_BYTES = 32
LONGEST_ERROR = 100


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """public_url: this server as browsers reach it. own_client: whose codes `return_to` gets (oauth_clients.py)."""

    public_url: str
    redirect_uri: str
    registration: str
    own_client: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One that people may choose."""

    name: str
    label: str


@dataclass(frozen=True, slots=True, repr=False)
class LoginStarted:
    """Where to send the browser, and what it has to keep until it comes back: `browser`, for `lifetime_s`."""

    address: str
    state: str
    browser: str
    lifetime_s: float = LIFETIME_S


class Providers:
    """Every call that asks a provider raises Unavailable, in bounded time, when that is away."""

    def __init__(
        self,
        sql: SQL,
        mail: AccountMail,
        begin_session: BeginSession,
        clock: Clock,
        secret_key: str,
        providers: Sequence[ProviderSettings],
        options: ProviderOptions,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        seal = Seal(secret_key, "provider tokens")
        self._sql = sql
        self._begin_session = begin_session
        self._clock = clock
        self._options = options
        self._labels = {one.name: one.label or one.name for one in providers}
        self.clients: Mapping[str, OpenIdClient] = {one.name: OpenIdClient(one, clock, transport) for one in providers}
        self._attempts = Attempts(sql, Seal(secret_key, "login attempts"), clock)
        self._admission = Admission(sql, mail, seal, clock, options.registration)
        self._renewal = Renewal(sql, self.clients, seal, clock)

    async def start(self) -> None:
        """Asks no provider: one that is away stops no start."""
        for client in self.clients.values():
            await client.start()

    async def stop(self) -> None:
        """Closes every connection."""
        for client in self.clients.values():
            await client.stop()

    async def ping(self) -> None:
        """Nothing of its own can fail; `check` asks each provider."""

    def all(self) -> list[Provider]:
        """Those that are configured, in that order."""
        return [Provider(name, label) for name, label in self._labels.items()]

    @property
    def by_https(self) -> bool:
        """Whether browsers come back over TLS, so that their cookie need not travel in the clear."""
        return (self._options.redirect_uri or self._options.public_url).startswith("https:")

    async def begin(self, name: str, wish: Wish) -> LoginStarted:
        """Raises ProviderNotFound, Invalid, Unavailable."""
        client = self._client(name)
        self._check(wish)
        asked, browser = Asked.fresh(), secrets.token_urlsafe(RANDOM_BYTES)
        address = await client.login_address(asked, self._redirect_uri(name))
        await self._attempts.keep(Attempt(name, asked, hash_of(browser), wish))
        return LoginStarted(address, asked.state, browser)

    async def finish(self, name: str, answer: Answer) -> TokenPair | SentBack:
        """What the wish at the beginning was. Raises ProviderNotFound, AttemptUnknown, NotAdmitted, Unavailable.

        A page that waits at return_to hears of a refusal there, in the words of RFC 6749, 4.1.2.1.
        """
        client = self._client(name)
        attempt = await self._attempts.take(name, answer.state, answer.browser)
        wish = attempt.wish
        if wish.return_to is None:
            user = await self._person(name, client, attempt, answer)
            visit = Visit(None, answer.device, answer.address, wish.scopes)
            return await self._begin_session(user, METHOD, visit)
        try:
            user = await self._person(name, client, attempt, answer)
            return self._back(wish, code=await self._make_code(user, wish))
        except (Forbidden, Unauthenticated) as error:
            return self._back(wish, error="access_denied", error_description=_told(error))
        except Unavailable as error:
            return self._back(wish, error="temporarily_unavailable", error_description=_told(error))

    async def identities(self, user_id: int) -> list[Identity]:
        """Those of a person."""
        return await self._sql.read(lambda connection: identity_rows.list_identities(connection, user_id))

    async def unlink(self, user_id: int, identity_id: int) -> None:
        """Forgets an identity and its tokens. Raises IdentityNotFound, LastWayIn."""

        def work(connection: Connection) -> None:
            user = user_rows.get_user(connection, user_id)
            if not identity_rows.delete_identity(connection, user_id, identity_id):
                raise IdentityNotFound(identity_id)
            if not user.has_password and not identity_rows.list_identities(connection, user_id):
                raise LastWayIn

        # touches: of two at once the second sees what the first left
        await self._sql.write(work, touches=user_rows.TABLES)

    async def renew_once(self) -> int:
        """Renews the tokens that expire soon; how many it was."""
        return await self._renewal.once()

    # -- steps ------------------------------------------------------------------------------------------------

    def _client(self, name: str) -> OpenIdClient:
        client = self.clients.get(name)
        if client is None:
            raise ProviderNotFound(name)
        return client

    def _redirect_uri(self, name: str) -> str:
        base = self._options.redirect_uri or f"{self._options.public_url}/oauth/callback"
        return f"{base.rstrip('/')}/{name}"

    def _check(self, wish: Wish) -> None:
        if wish.return_to is None:
            return
        checked_return_address(wish.return_to, self._options.public_url)
        if wish.code_challenge is None or not authorization_codes.is_challenge(wish.code_challenge):
            raise Invalid(
                "return_to gets a code, which only the holder of a verifier can use",
                errors=[FieldError(("query", "code_challenge"), "give the SHA-256 of a verifier (RFC 7636, S256)")],
            )

    async def _person(self, name: str, client: OpenIdClient, attempt: Attempt, answer: Answer) -> User:
        try:
            return await self._proven(name, client, attempt, answer)
        except (Forbidden, Unauthenticated) as error:
            detail, now = {"provider": name, "because": type(error).__name__}, self._clock.now()
            entry = AuditEntry("login.failed", detail=detail, address=answer.address)
            await self._sql.write(lambda connection: audit_rows.insert_entry(connection, entry, now))
            raise

    async def _proven(self, name: str, client: OpenIdClient, attempt: Attempt, answer: Answer) -> User:
        await client.check_sender(answer.issuer)
        if answer.code is None:
            raise NotAdmitted(f"{name} ended the login: {(answer.error or 'no code came')[:LONGEST_ERROR]}")
        claims, tokens = await client.exchange(answer.code, attempt.asked, self._redirect_uri(name))
        return await self._admission.admit(name, claims, tokens, answer.address)

    async def _make_code(self, user: User, wish: Wish) -> str:
        assert wish.return_to is not None and wish.code_challenge is not None
        code, now = authorization_codes.new_code(), self._clock.now()
        scopes = None if wish.scopes is None else in_order(wish.scopes)
        request = CodeRequest(self._options.own_client, wish.return_to, wish.code_challenge, scopes)
        await self._sql.write(
            lambda connection: authorization_codes.insert_code(connection, hash_of(code), user.id, request, now)
        )
        return code

    def _back(self, wish: Wish, **parameters: str) -> SentBack:
        assert wish.return_to is not None
        address = checked_return_address(wish.return_to, self._options.public_url)
        return with_parameters(address, {**parameters, "state": wish.state})


def _told(error: LarderError) -> str:
    return error.message if error.remedy is None else f"{error.message}: {error.remedy}"
