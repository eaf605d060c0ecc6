"""The clients that may ask for tokens by name: the document pages of this server. A script needs no name."""

from __future__ import annotations

import hmac

from backend.src.config.settings import Secret
from backend.src.services.accounts.oauth_refusals import Fault, OAuthRefused

REDIRECT_PATH = "/_docs/oauth2-redirect"


class OAuthClients:
    """Knows the server's own client; with a secret it has to prove itself, without one it is public (RFC 6749, 2.1)."""

    def __init__(self, client_id: str, client_secret: Secret) -> None:
        self._client_id = client_id
        self._secret = client_secret

    def knows(self, client_id: str) -> bool:
        """Whether a client of this name may send people here to log in."""
        return client_id == self._client_id

    def identify(self, client_id: str | None, secret: str | None) -> str | None:
        """The client at the token endpoint, None for nobody's in particular. Raises OAuthRefused (invalid_client)."""
        if client_id is None:
            return None
        if not self.knows(client_id) or not self._proven(secret):
            raise OAuthRefused(Fault.INVALID_CLIENT, "the client is not known, or its secret is wrong")
        return client_id

    def _proven(self, secret: str | None) -> bool:
        expected = self._secret.reveal()
        return not expected or hmac.compare_digest(expected.encode(), (secret or "").encode())
