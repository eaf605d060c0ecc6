"""/v1/ws: live values for those who listen."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.websockets import WebSocket, WebSocketDisconnect

from backend.src.config.settings import StreamingSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import TooMany
from backend.src.services.live import Inventories, LiveNames, LiveTable
from backend.src.services.streaming import Client, SubscriptionRegistry, messages
from backend.src.web.access import Access, recheck
from backend.src.web.live_conversation import TOO_SLOW, Conversation
from backend.src.web.routes import SOCKET, Route

TAGS = ("Live values",)
TRY_AGAIN_LATER = 1013


class StreamingStatus(BaseModel):
    """Who listens, in this process."""

    active_connections: int = Field(examples=[3])
    total_subscriptions: int = Field(examples=[420])
    unique_pvs_subscribed: int = Field(examples=[200])
    messages_sent: int = Field(examples=[51200])
    max_clients: int = Field(examples=[500])
    max_subscriptions: int = Field(examples=[50000])
    monitor_alive: bool


class LiveSocketEndpoint:
    """The socket and its status."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        live: LiveTable,
        names: LiveNames,
        catalog: Inventories,
        clock: Clock,
        settings: StreamingSettings,
    ) -> None:
        self._registry = registry
        self._live = live
        self._names = names
        self._catalog = catalog
        self._clock = clock
        self._settings = settings

    def routes(self) -> tuple[Route, ...]:
        """The socket under both its names, and its status."""
        return (
            Route(SOCKET, "/v1/ws/pvs", self.converse, access=Access.READ),
            Route(SOCKET, "/v1/ws/live", self.converse, access=Access.READ),
            Route("GET", "/v1/ws/status", self.status, access=Access.READ, summary="Who listens", tags=TAGS),
        )

    async def status(self) -> StreamingStatus:
        """Clients and subscriptions of this process."""
        counts = self._registry.counts()
        return StreamingStatus(
            active_connections=counts.clients,
            total_subscriptions=counts.subscriptions,
            unique_pvs_subscribed=counts.unique_pvs,
            messages_sent=counts.messages,
            max_clients=self._settings.max_clients,
            max_subscriptions=self._settings.max_subscriptions,
            monitor_alive=self._live.fresh(),
        )

    async def converse(self, socket: WebSocket) -> None:
        """One client, from its first message to its last."""
        try:
            client = self._registry.enter()
        except TooMany as refusal:
            await _turn_away(socket, refusal.message)
            return
        try:
            if await self._conversation(socket, client).run() == TOO_SLOW:
                self._registry.sent_away += 1
        finally:
            self._registry.leave(client)

    def _conversation(self, socket: WebSocket, client: Client) -> Conversation:
        return Conversation(
            socket,
            client,
            live=self._live,
            names=self._names,
            catalog=self._catalog,
            recheck=lambda: recheck(socket),
            closing=self._registry.closing,
            clock=self._clock,
            settings=self._settings,
        )


async def _turn_away(socket: WebSocket, reason: str) -> None:
    try:
        await socket.send_json(messages.error(reason))
        await socket.close(TRY_AGAIN_LATER, reason)
    except (WebSocketDisconnect, RuntimeError):
        return  # it left first
