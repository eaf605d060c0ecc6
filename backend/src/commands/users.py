"""`larder user`: the people of this server."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.printing import print_json, print_table, stdout
from backend.src.core.errors import Invalid, NotFound

ROLES = ("viewer", "operator", "manager", "administrator")
COLUMNS = ("id", "address", "name", "role", "enabled", "password", "created", "last login")
PAGE = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a user, who sets a password by a code that is mailed or printed")
    create.add_argument("email", help="the address to log in with")
    create.add_argument("--name", help="how the records name them (default: the address up to its @)")
    create.add_argument("--role", choices=ROLES, default="viewer", help="what they may do (default: viewer)")
    create.add_argument("--password", action="store_true", help="set one now: asked for, or a line of standard input")
    invite = actions.add_parser("invite", help="invite somebody, who chooses name and password; mailed or printed")
    invite.add_argument("email", help="the address to invite")
    invite.add_argument("--role", choices=ROLES, default="viewer", help="what they will be (default: viewer)")
    listing = actions.add_parser("list", help="list the users")
    listing.add_argument("part", nargs="?", help="part of an address or a name")
    role = actions.add_parser("role", help="give a user a role; one that allows less ends their sessions")
    disable = actions.add_parser("disable", help="end a user's sessions, and let them in no more")
    enable = actions.add_parser("enable", help="let a user in again")
    password = actions.add_parser("password", help="have a user set a new password by a code, mailed or printed")
    for action in (role, disable, enable, password):
        action.add_argument("user", help="the user's address or id")
    role.add_argument("role", choices=ROLES, help="what they shall be")
    for action in (create, invite, listing, role, disable, enable, password):
        add_server(action)


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    actions = {
        "create": _create,
        "invite": _invite,
        "list": _list,
        "role": _role,
        "disable": _switch,
        "enable": _switch,
        "password": _password,
    }
    with open_api(options) as api:
        actions[options.action](api, options)
    return 0


def _create(api: Api, options: argparse.Namespace) -> None:
    name = options.name or options.email.partition("@")[0]
    body = {"email": options.email, "name": name, "role": options.role}
    if options.password:
        body["password"] = _ask_password()
    user = api.call("POST", "/v1/users", json=body)
    if options.json:
        print_json(user)
        return
    _tell(f"user {user['id']}: {user['email']} is {_with_article(user['role'])}")
    if user["passwordCode"]:
        _tell_code(user["passwordCode"])


def _invite(api: Api, options: argparse.Namespace) -> None:
    made = api.call("POST", "/v1/users/invitations", json={"email": options.email, "role": options.role})
    _print(made, options, f"{made['email']} is invited to be {_with_article(options.role)}")
    if not options.json:
        _tell_code(made)


def _list(api: Api, options: argparse.Namespace) -> None:
    users = list(_users(api, options.part))
    if options.json:
        print_json(users)
    else:
        print_table(COLUMNS, (_row(user) for user in users))


def _role(api: Api, options: argparse.Namespace) -> None:
    user = api.call("PUT", f"/v1/users/{_id_of(api, options.user)}/role", json={"role": options.role})
    _print(user, options, f"{user['email']} is {_with_article(user['role'])}")
    _tell_keys_left(user, options)


def _switch(api: Api, options: argparse.Namespace) -> None:
    user = api.call("PUT", f"/v1/users/{_id_of(api, options.user)}/{options.action}")
    _print(user, options, f"{user['email']} is {options.action}d")
    _tell_keys_left(user, options)


def _password(api: Api, options: argparse.Namespace) -> None:
    made = api.call("PUT", f"/v1/users/{_id_of(api, options.user)}/password")
    if options.json:
        print_json(made)
    else:
        _tell_code(made)


def _ask_password() -> str:
    """Never an argument: every user of the machine could read it in the list of processes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("password: ")
    if first != getpass.getpass("once more: "):
        raise Invalid("the two passwords differ")
    return first


def _users(api: Api, part: str | None) -> Any:
    token: str | None = None
    while True:
        asked = {"q": part, "pageSize": PAGE, "continuationToken": token}
        page = api.call("GET", "/v1/users", params={key: value for key, value in asked.items() if value is not None})
        yield from page["results"]
        token = page["continuationToken"]
        if token is None:
            return


def _id_of(api: Api, text: str) -> str:
    """The id itself, or that of the user with this address."""
    if text.isascii() and text.isdigit():
        return text
    wanted = text.strip().lower()
    for user in _users(api, wanted):
        if user["email"] == wanted:
            return str(user["id"])
    raise NotFound(f"no user has the address {text}", remedy="see `user list`")


def _print(answer: Any, options: argparse.Namespace, text: str) -> None:
    if options.json:
        print_json(answer)
    else:
        _tell(text)


def _tell_code(made: dict[str, Any]) -> None:
    if made["mailed"]:
        _tell(f"a code was mailed to {made['email']}; it is good until {made['expiresAt']}")
        return
    _tell("this server sends no mail: hand this over yourself, it is shown this once")
    _tell(f"code: {made['code']}")
    _tell(f"page: {made['link']}")
    _tell(f"good until {made['expiresAt']}")


def _tell_keys_left(user: dict[str, Any], options: argparse.Namespace) -> None:
    left = user.get("keysLeft")
    if left and not options.json:
        keys = ", ".join(f"{key['appName']} ({key['id']})" for key in left)
        _tell(f"keys that they made go on working: {keys}")
        _tell(f"see `key list --created-by {user['id']}`; `key revoke ID` ends one")


def _tell(text: str) -> None:
    stdout.print(text, markup=False, highlight=False)


def _with_article(role: str) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"


def _row(user: dict[str, Any]) -> list[object]:
    enabled, password = ("no" if user["disabled"] else "yes"), ("yes" if user["hasPassword"] else "no")
    return [
        user["id"], user["email"], user["name"], user["role"], enabled, password, user["createdAt"], user["lastLoginAt"]
    ]  # fmt: skip
