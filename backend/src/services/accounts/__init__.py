"""Who may do what: people and their sessions, API keys, the tokens of the local command line."""

from backend.src.services.accounts.accounts import Accounts
from backend.src.services.accounts.api_key_rows import ApiKey, KeyDraft
from backend.src.services.accounts.api_keys import ApiKeys
from backend.src.services.accounts.authorization_codes import CodeRequest
from backend.src.services.accounts.bearer_check import BearerCheck
from backend.src.services.accounts.key_changes import KeyChange, Rotation
from backend.src.services.accounts.oauth_authentication import OAuthAuthentication
from backend.src.services.accounts.oauth_clients import OAuthClients
from backend.src.services.accounts.oauth_refusals import Fault, OAuthRefused
from backend.src.services.accounts.principal import Principal, PrincipalKind, Role, Scope
from backend.src.services.accounts.session_opening import Visit
from backend.src.services.accounts.session_rows import Session
from backend.src.services.accounts.sessions import Sessions
from backend.src.services.accounts.signing_keys import SigningKeys
from backend.src.services.accounts.token_inspection import TokenInspection, TokenState
from backend.src.services.accounts.token_pair import TokenPair

__all__ = [
    "Accounts",
    "ApiKey",
    "ApiKeys",
    "BearerCheck",
    "CodeRequest",
    "Fault",
    "KeyChange",
    "KeyDraft",
    "OAuthAuthentication",
    "OAuthClients",
    "OAuthRefused",
    "Principal",
    "PrincipalKind",
    "Role",
    "Rotation",
    "Scope",
    "Session",
    "Sessions",
    "SigningKeys",
    "TokenInspection",
    "TokenPair",
    "TokenState",
    "Visit",
]
