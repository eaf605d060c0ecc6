"""`larder serve`: the server, until Ctrl-C."""

from __future__ import annotations

import argparse
import logging

import uvloop

from backend.src.commands.configuration import add_configuration, read_settings, with_secret_key
from backend.src.config.settings import Settings
from backend.src.core.data_folder import DataFolder
from backend.src.core.logs import set_up
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.supervisor import Supervisor
from backend.src.server import Server
from backend.src.web.listener import Listener

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what overrides the configuration for one run."""
    add_configuration(parser)
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="TCP port to listen on, 0 for any free one")


def run(options: argparse.Namespace) -> int:
    """Serves until a signal asks for the end."""
    settings = with_secret_key(read_settings(options, HOST=options.host, PORT=options.port))
    set_up(debug=settings.server.debug, log_format=settings.server.log_format)
    uvloop.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Takes the folder and the port, starts every service, answers until the stop, and undoes it in reverse."""
    folder, listener = DataFolder(settings.server.data_dir), Listener(settings)
    folder.make()
    try:
        if settings.any_embedded:
            folder.lock()
        url = listener.bind()
        server = Server(settings)
        with server.control.signals():
            async with server.running():
                folder.say_where(url)
                log.info("Larder answers at %s (role %s, process ready)", url, settings.server.role.value)
                await listener.serve(server.app, server.control, RuntimeManager.get(Supervisor))
    finally:
        listener.close()
        folder.unlock()
