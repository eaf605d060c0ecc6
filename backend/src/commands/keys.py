"""`larder key`: create, list and revoke API keys."""

from __future__ import annotations

import argparse

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.printing import print_json, print_table, stdout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the three actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print its token, once")
    create.add_argument("name", help="what the key is for, e.g. archiver or control-room")
    create.add_argument("--scopes", default="read", help="comma-separated: read,write,restore,admin (default: read)")
    listing = actions.add_parser("list", help="list the keys")
    listing.add_argument("--all", action="store_true", help="revoked ones too")
    revoke = actions.add_parser("revoke", help="revoke a key, at once and for good")
    revoke.add_argument("id", help="the key's id, as `key list` shows it")
    for action in (create, listing, revoke):
        add_server(action)


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    action = {"create": _create, "list": _list, "revoke": _revoke}[options.action]
    with open_api(options) as api:
        return action(api, options)


def _create(api: Api, options: argparse.Namespace) -> int:
    scopes = [scope.strip() for scope in options.scopes.split(",") if scope.strip()]
    key = api.call("POST", "/v1/api-keys", json={"appName": options.name, "scopes": scopes})
    if options.json:
        print_json(key)
    else:
        stdout.print(f"key {key['id']} for {key['appName']} ({', '.join(key['scopes'])})")
        stdout.print(f"token: {key['token']}", markup=False, highlight=False)
        stdout.print("It is shown this once: keep it now.")
    return 0


def _list(api: Api, options: argparse.Namespace) -> int:
    keys = api.call("GET", "/v1/api-keys", params={"active_only": not options.all})
    if options.json:
        print_json(keys)
    else:
        columns = ("id", "name", "active", "scopes", "created", "last used", "expires")
        fields = ("id", "appName", "isActive", "scopes", "createdAt", "lastUsedAt", "expiresAt")
        print_table(columns, ([_shown(key.get(field)) for field in fields] for key in keys))
    return 0


def _revoke(api: Api, options: argparse.Namespace) -> int:
    api.call("DELETE", f"/v1/api-keys/{options.id}")
    if options.json:
        print_json({"id": options.id, "revoked": True})
    else:
        stdout.print(f"key {options.id} is revoked")
    return 0


def _shown(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value
