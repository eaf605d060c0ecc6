"""What a provider says of itself (OpenID Connect Discovery 1.0, 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

WELL_KNOWN = "/.well-known/openid-configuration"
BY_POST = "client_secret_post"


class Unusable(Exception):
    """The document does not say what it has to."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a provider answers, and how it wants to be asked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    secret_by_post: bool  # in the body instead of the Authorization header
    names_itself: bool  # in what it sends people back with (RFC 9207)

    @classmethod
    def parse(cls, document: Mapping[str, Any], issuer: str) -> Self:
        """Raises Unusable: another issuer could be told a login of this one."""
        if document.get("issuer") != issuer:
            raise Unusable(f"it says that its issuer is {document.get('issuer')!r}, not {issuer!r}")
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        userinfo = "userinfo_endpoint" in document
        return cls(
            issuer=issuer,
            authorization_endpoint=_address(document, "authorization_endpoint", issuer),
            token_endpoint=_address(document, "token_endpoint", issuer),
            jwks_uri=_address(document, "jwks_uri", issuer),
            userinfo_endpoint=_address(document, "userinfo_endpoint", issuer) if userinfo else None,
            secret_by_post="client_secret_basic" not in methods and BY_POST in methods,
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )


def well_known(issuer: str) -> str:
    """Where the document is."""
    return issuer.rstrip("/") + WELL_KNOWN


def _address(document: Mapping[str, Any], key: str, issuer: str) -> str:
    value = document.get(key)
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    # whoever is asked over https names nothing that is not
    if parts is None or not parts.netloc or parts.scheme not in {"https", urlsplit(issuer).scheme}:
        raise Unusable(f"its {key} is {value!r}")
    return str(value)
