"""Who may do what, and how they hear from us."""

from __future__ import annotations

from backend.src.config.settings import Settings
from backend.src.core.clock import SystemClock
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.seal import Seal
from backend.src.core.supervisor import Supervisor
from backend.src.infra.mail import MailManagement
from backend.src.infra.sql import SQL
from backend.src.services.accounts import (
    Accounts,
    ApiKeys,
    BearerCheck,
    OAuthAuthentication,
    OAuthClients,
    Sessions,
    SigningKeys,
    TokenInspection,
)
from backend.src.services.accounts.account_mail import AccountMail
from backend.src.services.accounts.password_resets import PasswordResets
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.profiles import Profiles
from backend.src.services.accounts.registrations import Registrations
from backend.src.services.accounts.users import Users
from backend.src.services.accounts.verification import Verification
from backend.src.services.audit import Audit
from backend.src.services.mailing import Letters, Outbox
from backend.src.services.providers import ProviderOptions, Providers

get = RuntimeManager.get


def register_people(settings: Settings, clock: SystemClock) -> None:
    """Who may do what."""
    register = RuntimeManager.register
    register(Letters, settings.public_url)
    register(Outbox, factory=lambda: _outbox(settings, clock))
    register(Audit, factory=lambda: Audit(get(SQL), clock))
    register(ApiKeys, factory=lambda: ApiKeys(get(SQL), clock, get(Supervisor)))
    _register_users(settings, clock)
    _register_sessions(settings, clock)
    register(Accounts, factory=lambda: Accounts(get(ApiKeys), get(BearerCheck), settings.server.secret_key, clock))


def _register_users(settings: Settings, clock: SystemClock) -> None:
    """Who there is, and how they come and go."""
    register, accounts = RuntimeManager.register, settings.accounts
    register(Passwords, accounts)
    register(AccountMail, factory=lambda: AccountMail(get(Outbox), get(Letters), settings.public_url))
    register(Users, factory=lambda: Users(get(SQL), get(Passwords), get(AccountMail), clock, accounts))
    register(Registrations, factory=lambda: Registrations(get(SQL), get(Passwords), get(AccountMail), clock, accounts))
    register(
        PasswordResets, factory=lambda: PasswordResets(get(SQL), get(Passwords), get(AccountMail), clock, accounts)
    )
    register(
        Profiles, factory=lambda: Profiles(get(SQL), get(Users), get(Passwords), get(AccountMail), clock, accounts)
    )
    register(Verification, factory=lambda: Verification(get(Registrations), get(Profiles)))


def _register_sessions(settings: Settings, clock: SystemClock) -> None:
    """People who have logged in."""
    register = RuntimeManager.register
    seal = Seal(settings.server.secret_key.reveal(), "signing keys")
    register(SigningKeys, factory=lambda: SigningKeys(get(SQL), clock, seal, settings.accounts))
    register(Sessions, factory=lambda: Sessions(get(SQL), clock, get(Supervisor)))
    register(BearerCheck, factory=lambda: BearerCheck(get(SQL), get(SigningKeys), get(Sessions), clock))
    register(TokenInspection, factory=lambda: TokenInspection(get(SQL), get(BearerCheck), clock))
    register(OAuthClients, settings.docs.oauth2_client_id, settings.docs.oauth2_client_secret)
    register(
        OAuthAuthentication,
        factory=lambda: OAuthAuthentication(get(SQL), get(Users), get(SigningKeys), clock, settings.accounts),
    )
    register(Providers, factory=lambda: _providers(settings, clock))


def _providers(settings: Settings, clock: SystemClock) -> Providers:
    options = ProviderOptions(
        public_url=settings.public_url,
        redirect_uri=settings.accounts.redirect_uri,
        registration=settings.accounts.registration,
        own_client=settings.docs.oauth2_client_id,
    )
    begin_session, secret_key = get(OAuthAuthentication).begin_session, settings.server.secret_key.reveal()
    return Providers(get(SQL), get(AccountMail), begin_session, clock, secret_key, settings.providers, options)


def _outbox(settings: Settings, clock: SystemClock) -> Outbox:
    seal = Seal(settings.server.secret_key.reveal(), "outbox")
    return Outbox(get(SQL), get(MailManagement), clock, get(Supervisor), seal, settings.mail)
