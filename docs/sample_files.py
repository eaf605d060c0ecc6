"""config.toml and sample.env as the settings' classes have them: `python -m docs.generate` writes both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from backend.src.config.settings import ProviderSettings, Secret, sections

ROOT = Path(__file__).parents[1]
THOUSANDS_FROM = 100_000  # larger numbers are written with underscores

CONFIG_HEAD = """\
# The configuration of Larder. Every key with its meaning, its type and its default.
# The environment (and .env) overrides it by the variable named in brackets. Unknown keys stop the start.
# Secrets belong into the environment, not here.
"""
ENVIRONMENT_HEAD = """\
# The environment of Larder: copy to .env and fill in what you need. An empty or missing variable leaves
# the default of config.toml. With none of them set everything is embedded, on 127.0.0.1.
# Each secret may stand in a file of its own: DB_PASSWORD_FILE=/run/secrets/db_password in place of DB_PASSWORD.
"""
_KINDS = {"bool": "True or false", "int": "Whole number", "float": "Number", "Secret": "Secret text", "Path": "Path"}


def config_toml() -> str:
    """Every section and key with its default."""
    return "\n".join([CONFIG_HEAD, *(_section(name, values) for name, values in defaults()), _provider()])


def sample_env() -> str:
    """Every variable, without a value."""
    parts = [ENVIRONMENT_HEAD]
    for _, values in defaults():
        lines = [line for option in fields(values) if option.metadata["env"] for line in _variable(option, values)]
        if lines:
            parts.append("\n".join([f"# {_title(values)}", *lines, ""]))
    parts.append("\n".join(["# Of each provider of config.toml, NAME being its name:", *_secret_of_provider(), ""]))
    return "\n".join(parts)


FILES = {ROOT / "config.toml": config_toml, ROOT / "sample.env": sample_env}


def defaults() -> Iterator[tuple[str, Any]]:
    """Every section by its name, with nothing configured."""
    for section in sections():
        assert section.default_factory is not MISSING, section.name
        yield section.name, section.default_factory()


def _provider() -> str:
    """A table of [[providers]] that does nothing until it is uncommented."""
    values = ProviderSettings()
    lines = [f"# {_title(values)}", "# [[providers]]"]
    for option in fields(values):
        if option.type != "Secret":
            lines.append(f"# {option.name} = {_literal(getattr(values, option.name))}  # {option.metadata['meaning']}")
    return "\n".join([*lines, ""])


def _secret_of_provider() -> list[str]:
    secrets = [option for option in fields(ProviderSettings) if option.metadata["env"]]
    return [line for one in secrets for line in (f"# {one.metadata['meaning']}", f"# {one.metadata['env']}=")]


def _title(values: Any) -> str:
    return (type(values).__doc__ or "").strip().splitlines()[0]


def _section(name: str, values: Any) -> str:
    lines = [f"# {_title(values)}", f"[{name}]"]
    for option in fields(values):
        variable = f" [{option.metadata['env']}]" if option.metadata["env"] else ""
        lines.append(f"# {option.metadata['meaning']}. {_KINDS.get(str(option.type), 'Text')}.{variable}")
        lines.append(_assignment(option, getattr(values, option.name)))
    return "\n".join([*lines, ""])


def _assignment(option: Field[Any], default: Any) -> str:
    commented = "#" if isinstance(default, Secret) else ""
    return f"{commented}{option.name} = {_literal(default)}"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if value >= THOUSANDS_FROM else str(value)
    if isinstance(value, float):
        return repr(value)
    text = value.value if isinstance(value, Enum) else str(value)
    return '""' if isinstance(value, Secret) else f'"{text}"'


def _variable(option: Field[Any], values: Any) -> list[str]:
    default = getattr(values, option.name)
    text = default.value if isinstance(default, Enum) else str(default)
    known = "" if isinstance(default, Secret) or not text else f" (default: {text.lower()})"
    return [f"# {option.metadata['meaning']}{known}", f"{option.metadata['env']}="]
