"""`larder key`: create, list, show, rotate and revoke API keys."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.printing import print_json, print_table, stdout

KEYS = "/v1/api-keys"

# Heading and field of each column of the list.
COLUMNS = {
    "id": "id",
    "name": "appName",
    "active": "isActive",
    "begins with": "prefix",
    "scopes": "scopes",
    "addresses": "addresses",
    "created": "createdAt",
    "by": "createdBy",
    "last used": "lastUsedAt",
    "expires": "expiresAt",
    "replaced by": "rotatedTo",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_create(actions.add_parser("create", help="make a key and print its token, once"))
    listing = actions.add_parser("list", help="list the keys")
    listing.add_argument("--all", action="store_true", help="revoked ones too")
    listing.add_argument("--created-by", metavar="ID", help="those that this user made, by the id in `user list`")
    show = actions.add_parser("show", help="show one key")
    rotate = actions.add_parser("rotate", help="make a new token for a key and print it, once")
    _add_overlap(rotate)
    revoke = actions.add_parser("revoke", help="revoke a key, at once and for good")
    for action in (show, rotate, revoke):
        action.add_argument("id", help="the key's id, as `key list` shows it")
    for action in (rotate, revoke):
        action.add_argument("--force", action="store_true", help="also the last administrator's")
    for action in actions.choices.values():
        add_server(action)


def _add_create(create: argparse.ArgumentParser) -> None:
    create.add_argument("name", help="what the key is for, e.g. archiver or control-room")
    create.add_argument(
        "--scopes", default="read", help="comma-separated: read,write,restore,manage,admin (default: read)"
    )
    create.add_argument("--days", type=float, metavar="N", help="days until it expires (default: never)")
    create.add_argument(
        "--from", dest="addresses", action="append", metavar="NETWORK", help="where it may be used from; repeatable"
    )


def _add_overlap(rotate: argparse.ArgumentParser) -> None:
    rotate.add_argument(
        "--overlap",
        type=float,
        metavar="SECONDS",
        help="how long the old token stays good; 0: it ends now (default: until the new one is first used)",
    )
    rotate.add_argument("--days", type=float, metavar="N", help="days until the new key expires (default: as the old)")


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    actions = {"create": _create, "list": _list, "show": _show, "rotate": _rotate, "revoke": _revoke}
    with open_api(options) as api:
        return actions[options.action](api, options)


def _create(api: Api, options: argparse.Namespace) -> int:
    scopes = [scope.strip() for scope in options.scopes.split(",") if scope.strip()]
    wanted: dict[str, Any] = {"appName": options.name, "scopes": scopes, **_expiry(options)}
    if options.addresses:
        wanted["addresses"] = options.addresses
    _print_token(api.call("POST", KEYS, json=wanted), options)
    return 0


def _list(api: Api, options: argparse.Namespace) -> int:
    wanted = {"active_only": not options.all, "createdBy": options.created_by}
    keys = api.call("GET", KEYS, params={name: value for name, value in wanted.items() if value is not None})
    if options.json:
        print_json(keys)
    else:
        print_table(tuple(COLUMNS), ([_shown(key.get(field)) for field in COLUMNS.values()] for key in keys))
    return 0


def _show(api: Api, options: argparse.Namespace) -> int:
    key = api.call("GET", f"{KEYS}/{options.id}")
    if options.json:
        print_json(key)
    else:
        print_table(("", ""), ((heading, _shown(key.get(field))) for heading, field in COLUMNS.items()))
    return 0


def _rotate(api: Api, options: argparse.Namespace) -> int:
    wanted: dict[str, Any] = {**_expiry(options)}
    if options.overlap is not None:
        wanted["overlapS"] = options.overlap
    key = api.call("POST", f"{KEYS}/{options.id}/rotate", json=wanted, params={"force": options.force})
    _print_token(key, options)
    if not options.json and options.overlap is None:
        stdout.print(f"Key {options.id} stays good until this one is used for the first time.")
    return 0


def _revoke(api: Api, options: argparse.Namespace) -> int:
    api.call("DELETE", f"{KEYS}/{options.id}", params={"force": options.force})
    if options.json:
        print_json({"id": options.id, "revoked": True})
    else:
        stdout.print(f"key {options.id} is revoked")
    return 0


def _expiry(options: argparse.Namespace) -> dict[str, str]:
    if options.days is None:
        return {}
    return {"expiresAt": (datetime.now(UTC) + timedelta(days=options.days)).isoformat()}


def _print_token(key: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print_json(key)
        return
    stdout.print(f"key {key['id']} for {key['appName']} ({', '.join(key['scopes'])})", markup=False)
    stdout.print(f"token: {key['token']}", markup=False, highlight=False)
    stdout.print("It is shown this once: keep it now.")


def _shown(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value
