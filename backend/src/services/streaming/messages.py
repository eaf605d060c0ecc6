"""The whole protocol of /v1/ws/pvs: what a client may say, and what it hears.

In:   auth (first, for browsers), subscribe, unsubscribe, get_all, ping.
Out:  subscribed, unsubscribed, initial, diff, heartbeat, all_values, pong, error.
Entries arrive as plain dictionaries (web/epics_json.py), for there may be 40,000 in one message.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from backend.src.core.errors import Invalid
from backend.src.infra.epics.address import MAX_ADDRESS_LENGTH

MOST_NAMES = 200_000  # in one message; subscriptions have a limit of their own
LONGEST_COMPLAINT = 300

PvName = Annotated[str, StringConstraints(max_length=MAX_ADDRESS_LENGTH + len("pva://"))]
Entries = dict[str, Any]


class _In(BaseModel):
    model_config = ConfigDict(frozen=True)


class Subscribe(_In):
    """Send these PVs from now on."""

    type: Literal["subscribe"]
    pvNames: list[PvName] = Field(max_length=MOST_NAMES)


class Unsubscribe(_In):
    """Do not send these PVs any more."""

    type: Literal["unsubscribe"]
    pvNames: list[PvName] = Field(max_length=MOST_NAMES)


class GetAll(_In):
    """Send every PV once."""

    type: Literal["get_all"]


class Ping(_In):
    """Answer."""

    type: Literal["ping"]


class Auth(_In):
    """Who I am; only before anything else, so that here it comes too late."""

    type: Literal["auth"]


Incoming = Subscribe | Unsubscribe | GetAll | Ping | Auth
_incoming: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])


def parse(text: str | bytes) -> Incoming:
    """One message from a client. Raises Invalid, saying what is wrong with it."""
    try:
        return _incoming.validate_json(text)
    except ValidationError as exc:
        raise Invalid(_complaint(exc)) from exc


def _complaint(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"[:LONGEST_COMPLAINT] if where else str(first["msg"])[:LONGEST_COMPLAINT]


def subscribed(names: list[str], unknown: list[str]) -> Entries:
    """What the client gets from now on, of what it asked for."""
    return {"type": "subscribed", "pvNames": names, "unknown": unknown}


def unsubscribed(names: list[str]) -> Entries:
    """What the client does not get any more."""
    return {"type": "unsubscribed", "pvNames": names}


def heartbeat(timestamp: float, monitor_heartbeat: float | None, *, monitor_alive: bool) -> Entries:
    """Both ends are alive, and so is the monitor, or not."""
    return {
        "type": "heartbeat",
        "timestamp": timestamp,
        "monitor_heartbeat": monitor_heartbeat,
        "monitor_alive": monitor_alive,
    }


def pong(timestamp: float) -> Entries:
    """The answer to a ping."""
    return {"type": "pong", "timestamp": timestamp}


def error(message: str) -> Entries:
    """Something that the client said cannot be done; the socket stays open."""
    return {"type": "error", "message": message}


def initial(count: int) -> tuple[str, Entries]:
    """The first values of a subscription: the key under which the entries travel, and the rest."""
    return "data", {"type": "initial", "count": count}


def diff(count: int, timestamp: float) -> tuple[str, Entries]:
    """What changed since the last message."""
    return "data", {"type": "diff", "count": count, "timestamp": timestamp}


def all_values(count: int) -> tuple[str, Entries]:
    """Every PV of the catalogue."""
    return "values", {"type": "all_values", "count": count}
