"""`larder check`: reads the configuration, tries every server that it names, says what is wrong and what to do."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial

from backend.src.commands.configuration import add_configuration, read_settings, with_secret_key
from backend.src.commands.printing import print_json, stdout
from backend.src.config.settings import Settings
from backend.src.core.data_folder import DataFolder
from backend.src.core.errors import LarderError
from backend.src.core.lifecycle import Service
from backend.src.infra.sql import revisions
from backend.src.server import Server
from backend.src.web.listener import Listener

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    took_ms: float
    message: str
    remedy: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --config and --json."""
    add_configuration(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when something does not work; a wrong configuration ends the command by itself."""
    settings = with_secret_key(read_settings(options))
    checks = asyncio.run(_check_all(settings))
    if options.json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        _print(checks)
    return 0 if all(check.ok for check in checks) else 1


async def _check_all(settings: Settings) -> list[Check]:
    checks = [Check("configuration", True, 0.0, f"role {settings.server.role.value}"), _check_port(settings)]
    for step in Server(settings).dependencies:
        as_file = step.name == "SQL" and settings.sql.embedded
        attempt = partial(_look_at_file, settings) if as_file else partial(_try, step.service)
        checks.append(await _check_one(step.name, _where(settings, step.name), attempt))
    return checks


def _check_port(settings: Settings) -> Check:
    running = DataFolder(settings.server.data_dir).running_server()
    if running is not None:
        return Check("server", True, 0.0, f"runs: process {running.pid}, {running.url}")
    listener = Listener(settings)
    try:
        url = listener.bind()
    except LarderError as exc:
        return Check("server", False, 0.0, exc.message, exc.remedy)
    finally:
        listener.close()
    return Check("server", True, 0.0, f"does not run; {url} is free")


async def _check_one(name: str, where: str, attempt: Callable[[], Awaitable[str]]) -> Check:
    began = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await attempt()
    except LarderError as exc:
        return Check(name, False, _ms(began), f"{where}: {exc.message}", exc.remedy)
    except TimeoutError:
        return Check(name, False, _ms(began), f"{where}: no answer in {TIMEOUT_S:g} s", "check host and port")
    return Check(name, True, _ms(began), f"{where}{found}")


async def _try(service: Service) -> str:
    try:
        await service.start()
        await service.ping()
    finally:
        await service.stop()
    return ""


async def _look_at_file(settings: Settings) -> str:
    """It is the start that makes or upgrades the file, alone in its folder."""
    has, needs = await revisions(settings.sql, settings.server.data_dir)
    return "" if has == needs else f"; the next start brings it from {has or 'nothing'} to {needs}"


def _where(settings: Settings, name: str) -> str:
    cache = settings.cache.socket or settings.cache.host
    providers = {f"provider {provider.name}": provider.issuer for provider in settings.providers}
    return {
        **providers,
        "SQL": settings.sql.host or f"SQLite in {settings.server.data_dir}",
        "Redis": cache or "in this process",
        "Bucket": settings.bucket.host or f"folder in {settings.server.data_dir}",
        "MailManagement": settings.mail.host or "no mail is sent",
        "Epics": f"CA {settings.epics.ca_addr_list or 'default addresses'}, "
        f"PVA {settings.epics.pva_addr_list or 'default addresses'}",
    }.get(name, "")


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


def _print(checks: list[Check]) -> None:
    for check in checks:
        mark = "[green]ok   [/green]" if check.ok else "[red]wrong[/red]"
        stdout.print(f"{mark} {check.name:<13} {check.message}", highlight=False)
        if check.remedy:
            stdout.print(f"      -> {check.remedy}", highlight=False)
