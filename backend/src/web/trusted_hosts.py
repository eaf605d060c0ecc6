"""Which Host headers are answered: links and caches made from a forged one lead people elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException

from backend.src.web.http_codes import HttpCodes

# always answered: the command line of this machine asks for them, and no page elsewhere can send them
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
# asked by the address that the machine's keeper knows: pods, containers, load balancers
PROBED = frozenset({"/health/live", "/health/ready"})


class TrustedHosts:
    """The hosts of [door].trusted_hosts; none means any."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._exact = LOOPBACK | {host for host in hosts if not host.startswith("*.")}
        self._endings = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._any = not hosts

    def check(self, given: Sequence[bytes], path: str) -> None:
        """Raises HTTPException for two Host headers (RFC 9112, 3.2), and for one that is not trusted."""
        if len(given) > 1:
            raise _bad("the request has more than one Host header")
        if self._any or path in PROBED:
            return
        if not given or not self._trusts(given[0]):
            raise _bad("this server does not answer for that Host: TRUSTED_HOSTS has to name it")

    def _trusts(self, given: bytes) -> bool:
        host = _without_port(given.decode("latin-1").lower())
        return host in self._exact or host.endswith(self._endings)


def _bad(detail: str) -> HTTPException:
    return HTTPException(HttpCodes.BAD_REQUEST, detail)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
