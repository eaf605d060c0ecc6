"""How commands know a server of this machine by its certificate."""

from __future__ import annotations

import ssl

from backend.src.config.settings import DoorSettings


def trust_of(door: DoorSettings) -> ssl.SSLContext | bool:
    """For httpx's `verify`: the very certificate that [door] names, whatever name and authority it bears."""
    if not door.tls_certificate:
        return True
    context = ssl.create_default_context(cafile=door.tls_certificate)
    context.check_hostname = False  # it is asked by its address, which certificates seldom name
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context
