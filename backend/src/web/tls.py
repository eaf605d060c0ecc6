"""TLS in the listener: the certificate of [door], read again when its file changes."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from backend.src.config.settings import DoorSettings
from backend.src.core.errors import StartFailed

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0


class Certificate:
    """A certificate with its key, and the context that offers it."""

    def __init__(self, door: DoorSettings) -> None:
        self._certificate = Path(door.tls_certificate)
        self._key = Path(door.tls_key) if door.tls_key else None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._seen = self._stamps()
        self._load()

    async def follow(self) -> NoReturn:
        """Offers a renewed certificate to whoever connects from then on."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.follow_once()

    def follow_once(self) -> bool:
        """Whether there was a new one and it could be read; the old one stays until then."""
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        try:
            self._load()
        except StartFailed as error:  # perhaps half of the pair is written: the next look tries again
            log.warning("the new certificate is not used: %s", error.message)
            return False
        self._seen = stamps
        log.info("the certificate %s was renewed", self._certificate)
        return True

    def _load(self) -> None:
        """Raises StartFailed."""
        try:
            # half a pair would spoil the context that is in use
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
                context.load_cert_chain(self._certificate, self._key, password=_nobody_to_ask)
        except (OSError, ValueError) as exc:  # SSLError is an OSError
            pair = f"{self._certificate} with the key {self._key}" if self._key else f"{self._certificate}"
            raise StartFailed(
                f"the certificate {pair} cannot be used: {exc}",
                remedy="set TLS_CERTIFICATE and TLS_KEY to a PEM pair without passphrase that this user may read",
            ) from exc

    def _stamps(self) -> list[tuple[int, int]]:
        """When each file was last changed; nothing of one that is missing, or out of reach."""
        stamps = []
        for path in (self._certificate, *((self._key,) if self._key else ())):
            with suppress(OSError):
                stat = path.stat()
                stamps.append((stat.st_mtime_ns, stat.st_ino))
        return stamps


def _nobody_to_ask() -> str:
    raise ValueError("the key has a passphrase")
