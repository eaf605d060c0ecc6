"""An OpenID Connect provider that is not Larder's."""

from tests.servers.openid_provider.server import CLIENT_ID, CLIENT_SECRET, OpenIdServer, client

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "OpenIdServer", "client"]
