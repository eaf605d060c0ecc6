"""/v1/admin: the process itself."""

from __future__ import annotations

from pydantic import Field

from backend.src.core.runtime_control import RuntimeControl
from backend.src.services.accounts import Principal
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.http_codes import HttpCodes
from backend.src.web.models import ResponseModel
from backend.src.web.routes import Route


class Stopping(ResponseModel):
    """That it will end."""

    stopping: bool
    message: str = Field(examples=["the server stops: asked for by Ann Smith (user 5)"])


class AdminEndpoint:
    """Ends the process that answers."""

    def __init__(self, control: RuntimeControl) -> None:
        self._control = control

    def routes(self) -> tuple[Route, ...]:
        """The one operation."""
        return (
            Route(
                "PUT",
                "/v1/admin/stop",
                self.stop,
                access=Access.ADMIN,
                status=HttpCodes.ACCEPTED,
                summary="Stop this server",
                tags=("Administration",),
            ),
        )

    async def stop(self, principal: Principal = CurrentPrincipal) -> Stopping:
        """Graceful, as SIGTERM is: requests under way are answered, jobs are ended and recorded, then it exits.

        Other processes of the same site go on. Whatever supervises this one may start it again.
        """
        self._control.stop(f"asked for by {principal.name}")
        return Stopping(stopping=True, message=f"the server stops: {self._control.reason}")
