"""Who may do what: API keys and the tokens of the local command line."""

from backend.src.services.accounts.accounts import Accounts
from backend.src.services.accounts.api_key_rows import ApiKey, KeyDraft
from backend.src.services.accounts.api_keys import ApiKeys
from backend.src.services.accounts.key_changes import KeyChange, Rotation
from backend.src.services.accounts.local_token import mint_local_token
from backend.src.services.accounts.principal import Principal, PrincipalKind, Role, Scope

__all__ = [
    "Accounts",
    "ApiKey",
    "ApiKeys",
    "KeyChange",
    "KeyDraft",
    "Principal",
    "PrincipalKind",
    "Role",
    "Rotation",
    "Scope",
    "mint_local_token",
]
