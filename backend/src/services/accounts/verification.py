"""A code from a mail, whichever it is: of a registration, or of a changed address."""

from __future__ import annotations

from backend.src.services.accounts.codes import CodeUnknown
from backend.src.services.accounts.profiles import Profiles
from backend.src.services.accounts.registrations import Registrations
from backend.src.services.accounts.user_rows import User


class Verification:
    """One page and one route for both: the mail says which it was."""

    def __init__(self, registrations: Registrations, profiles: Profiles) -> None:
        self._registrations = registrations
        self._profiles = profiles

    async def verify(self, code: str) -> User:
        """Does what the code is for. Raises CodeUnknown, CodeUsed, AddressTaken, Forbidden."""
        try:
            return await self._profiles.confirm_address(code)
        except CodeUnknown:
            return await self._registrations.verify(code)
