"""Fills the generated tables of the documents, config.toml and sample.env: `python -m docs.generate`.

A document marks the place: `<!-- generated: NAME -->` to `<!-- end -->`. A test asserts that every table is what
the code says now.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from backend.src.__main__ import COMMANDS, INTERRUPTED, exit_code
from backend.src.commands.snapshots import DIFFERENT
from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import environment_names, options
from backend.src.config.settings import ProviderSettings, Secret, Settings
from backend.src.core.errors import LarderError
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.server import Server
from backend.src.web import openapi
from backend.src.web.examples import operations
from backend.src.web.http_codes import HttpCodes
from backend.src.web.problems import SHAPES
from backend.src.web.routes import Route
from backend.src.web.server_header import API, PRESETS, Preset
from docs import archive_columns
from docs.sample_files import FILES, defaults

DOCS = Path(__file__).parent
_block = re.compile(r"(?<=<!-- generated: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The document with every generated block as the code has it."""
    return _block.sub(lambda found: f"{found[1]}{found[2]}{BLOCKS[found[1]]()}", text)


def configuration() -> str:
    """Every option, a table a section."""
    tables = [(f"[{name}]", values) for name, values in defaults()]
    parts = []
    for name, values in (*tables, ("[[providers]]", ProviderSettings())):
        rows = [
            (f"`{option.name}`", option.metadata["meaning"], _default(getattr(values, option.name)), _variable(option))
            for option in fields(values)
        ]
        title = f"### {name}\n\n{(type(values).__doc__ or '').strip()}\n"
        parts.append(f"{title}\n{table(('key', 'meaning', 'default', 'environment'), rows)}")
    return "\n".join(parts)


def environment() -> str:
    """Every environment variable and the key that it sets."""
    meanings = {(section, option.name): option.metadata["meaning"] for section, option in options()}
    rows = [
        (f"`{variable}`", f"`{section}.{key}`", meanings[section, key])
        for variable, (section, key) in environment_names().items()
    ]
    return table(("variable", "sets", "meaning"), rows)


def commands() -> str:
    """Every command with its arguments, from the parsers themselves."""
    parts = []
    for name, (module, summary) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=name)
        importlib.import_module(f"backend.src.commands.{module}").add_arguments(parser)
        parts += [_command(parser, words, text) for words, parser, text in _leaves(parser, name, summary)]
    return "\n".join(parts)


def routes() -> str:
    """Every route with its access and what it is for."""
    rows = [(f"`{r.method}`", f"`{r.path}`", _access(r), r.summary) for r in collected_routes()]
    return table(("method", "path", "access", ""), rows)


def errors() -> str:
    """Each class of the error tree with its status."""
    kinds = [(kind, shape) for kind, shape in SHAPES.items() if kind is not LarderError]
    rows = [(f"{shape.status.value}", shape.title, _sentence(kind)) for kind, shape in kinds]
    rest = SHAPES[LarderError]
    return table(("status", "title", "means"), sorted([*rows, (f"{rest.status.value}", rest.title, "Anything else.")]))


def exit_codes() -> str:
    """Exit codes and the errors that lead to them."""
    kinds = [kind for kind in SHAPES if exit_code(kind("")) != exit_code(LarderError(""))]
    rows = [(f"`{exit_code(kind(''))}`", _sentence(kind)) for kind in kinds]
    rows += [
        ("`0`", "Done; of a comparison: nothing differs."),
        ("`2`", "Wrong usage: the command says how it is used."),
        (f"`{exit_code(LarderError(''))}`", "Failed, for any other reason."),
        (f"`{DIFFERENT}`", "`snapshot compare`: something differs."),
        (f"`{exit_code(ConfigurationError('', remedy=''))}`", "The configuration is wrong; nothing was started."),
        (f"`{INTERRUPTED}`", "Interrupted (Ctrl-C)."),
    ]
    return table(("exit code", "means"), sorted(rows, key=lambda row: int(row[0].strip("`"))))


def archive_rows() -> str:
    """The archive's columns of PVs and channels."""
    return _columns(archive_columns.of_rows())


def archive_values() -> str:
    """The archive's columns of values."""
    return _columns(archive_columns.of_values())


def archive_metadata() -> str:
    """The archive's columns of metadata."""
    return _columns(archive_columns.of_metadata())


def _columns(rows: list[tuple[str, str, str]]) -> str:
    return table(("column", "type", "meaning"), rows)


def _sentence(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def status_codes() -> str:
    """Every status code, and how many routes of the document answer with it."""
    document = openapi.document(_server_app())
    told = Counter(status for _, operation in operations(document) for status in operation["responses"])
    rows = [
        (str(int(code)), code.phrase, "" if code.registered else "not registered", str(told.get(str(int(code)), "")))
        for code in sorted(HttpCodes)
    ]
    return table(("code", "", "", "routes"), rows)


def header_presets() -> str:
    """What each kind of content gets."""
    kinds: dict[Preset, list[str]] = {API: ["everything else, above all JSON"]}
    for media_type, preset in PRESETS.items():
        kinds.setdefault(preset, []).append(f"`{media_type.decode()}`")
    rows = [
        (", ".join(names), f"`{_header(preset, b'cache-control')}`", f"`{_header(preset, b'content-security-policy')}`")
        for preset, names in kinds.items()
    ]
    return table(("content", "Cache-Control", "Content-Security-Policy"), rows)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def collected_routes() -> tuple[Route, ...]:
    """The routes of a server with every service; nothing is opened for it."""
    try:
        return Server(Settings()).paths.routes()
    finally:
        RuntimeManager.reset()


def _server_app() -> FastAPI:
    try:
        return Server(Settings()).app
    finally:
        RuntimeManager.reset()


def _header(preset: Preset, name: bytes) -> str:
    return dict(preset)[name].decode()


def _access(route: Route) -> str:
    return " or ".join(scope.value for scope in route.access.value) or "open"


def _default(value: Any) -> str:
    if isinstance(value, Secret) or value == "":
        return ""
    if isinstance(value, Enum):
        value = value.value
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _variable(option: Any) -> str:
    name = option.metadata["env"]
    return f"`{name}`" if name else ""


def _leaves(
    parser: argparse.ArgumentParser, words: str, summary: str
) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                yield from _leaves(below, f"{words} {name}", helps[name])
            return
    yield words, parser, summary


def _command(parser: argparse.ArgumentParser, words: str, summary: str) -> str:
    rows = [(f"`{_usage(action)}`", action.help or "") for action in parser._actions if action.dest != "help"]
    return f"### {words}\n\n{summary[:1].upper()}{summary[1:]}.\n\n{table(('argument', 'meaning'), rows)}"


def _usage(action: argparse.Action) -> str:
    shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return f"[{shown}]" if action.nargs == "?" else shown
    return action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {shown}"


BLOCKS = {
    block.__name__: block
    for block in (
        configuration, environment, commands, routes, errors, exit_codes,
        archive_rows, archive_values, archive_metadata, status_codes, header_presets,
    )
}  # fmt: skip


def main() -> None:
    """Writes every document whose tables are behind the code, and the two sample files."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            path.write_text(new, encoding="utf-8")
    for path, content in FILES.items():
        path.write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
