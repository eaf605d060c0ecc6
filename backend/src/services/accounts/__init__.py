"""Who may do what: API keys and the tokens of the local command line."""

from backend.src.services.accounts.accounts import Accounts
from backend.src.services.accounts.api_keys import ApiKey
from backend.src.services.accounts.local_token import mint_local_token
from backend.src.services.accounts.principal import Principal, PrincipalKind, Role, Scope

__all__ = ["Accounts", "ApiKey", "Principal", "PrincipalKind", "Role", "Scope", "mint_local_token"]
