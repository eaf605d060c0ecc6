"""`larder stop`: ends the server that runs, in order."""

from __future__ import annotations

import argparse
import time

import httpx

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.configuration import read_settings
from backend.src.commands.printing import print_json, stdout
from backend.src.core.data_folder import DataFolder
from backend.src.core.errors import TimedOut, Unavailable

POLL_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds how long to wait."""
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long it may take")
    add_server(parser)


def run(options: argparse.Namespace) -> int:
    """Returns once it answers no more. Raises Unavailable when none runs, TimedOut."""
    if not options.url:
        _refuse_stopped(options)  # before: the others would start one
    with open_api(options) as api:
        answer = api.call("PUT", "/v1/admin/stop")
        _wait_for_end(api, options.timeout)
    if options.json:
        print_json(answer)
    else:
        stdout.print("it answers no more; what it was doing is ended and recorded")
    return 0


def _refuse_stopped(options: argparse.Namespace) -> None:
    folder = read_settings(options).server.data_dir
    if DataFolder(folder).running_server() is None:
        raise Unavailable(f"no server runs on {folder}", remedy="give --url for one elsewhere")


def _wait_for_end(api: Api, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            api.client.get("/health/live", headers={"Connection": "close"})
        except httpx.TransportError:
            return
        time.sleep(POLL_S)
    raise TimedOut(f"it still answers after {timeout_s:g} s", remedy="look into its log")
