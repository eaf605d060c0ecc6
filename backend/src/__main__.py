"""The command line: `python -m backend.src [COMMAND]`.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 wrong configuration, 4 no server answers, 5 not allowed,
130 interrupted.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import sys
from typing import Any

from backend.src.config.errors import ConfigurationError
from backend.src.core.errors import Forbidden, Invalid, LarderError, Unauthenticated, Unavailable

# Module and summary of each command. A module is loaded only when it is called: a listing of snapshots need not
# load a database driver.
COMMANDS = {
    "serve": ("serve", "run the server (the default)"),
    "demo": ("demo", "run a demonstration machine and the server that watches it"),
    "migrate": ("migrate", "bring the database's schema up to date"),
    "key": ("keys", "create, list, show, rotate and revoke API keys"),
    "user": ("users", "create, invite and list people, give them roles, let them in or not"),
    "audit": ("audit", "who did what, when, from where"),
    "stop": ("stop", "stop the server that runs, in order"),
    "import": ("import_list", "import a PV list (CSV)"),
    "export": ("export_list", "export the PV list (CSV)"),
    "snapshot": ("snapshots", "create, list, show, compare and restore snapshots"),
    "cron": ("crons", "list, run, pause and resume what runs by itself"),
    "retention": ("retention", "say how long snapshots are kept, by label"),
    "pages": ("pages", "install the pages that show the interface"),
    "check": ("check", "read the configuration and try every server that it names"),
}
INTERRUPTED = 130
GC_THRESHOLDS = (50_000, 20, 50)  # an import of 40,000 PVs makes objects by the million and drops few: 15 % less time


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["serve", *words]
    if words[0] not in COMMANDS:
        parser.parse_args(words)
    module, summary = COMMANDS[words[0]]
    command = _load(f"backend.src.commands.{module}")
    own = argparse.ArgumentParser(prog=f"larder {words[0]}", description=summary)
    command.add_arguments(own)
    options = own.parse_args(words[1:])
    try:
        return int(command.run(options))
    except (ConfigurationError, LarderError) as exc:
        _report(exc, as_json=getattr(options, "json", False))
        return exit_code(exc)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 0


def _load(module: str) -> Any:
    """Imports without the garbage collector: what loading makes stays, and looking through it costs half a second."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<10} {summary}" for name, (_, summary) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="larder",
        description="Keeps the state of an EPICS machine: live, saved, compared, restored.",
        epilog=f"commands:\n{listing}\n\n`larder COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    return parser


def _report(exc: ConfigurationError | LarderError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": exc.message, "remedy": exc.remedy}), file=sys.stderr)
        return
    print(f"error: {exc.message}", file=sys.stderr)
    if exc.remedy:
        print(f"  -> {exc.remedy}", file=sys.stderr)


def exit_code(exc: Exception) -> int:
    """What a command that ended with this error tells its caller."""
    match exc:
        case ConfigurationError():
            return 3
        case Unavailable():
            return 4
        case Unauthenticated() | Forbidden():
            return 5
        case Invalid():
            return 2
        case _:
            return 1


if __name__ == "__main__":
    sys.exit(main())
