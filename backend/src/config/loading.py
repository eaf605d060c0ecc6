"""Reads config.toml, then the environment (and .env), into Settings."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from dotenv import dotenv_values

from backend.src.config.conversion import convert
from backend.src.config.errors import ConfigurationError
from backend.src.config.secret_files import with_secrets_of_files
from backend.src.config.settings import ProviderSettings, Secret, Settings, sections
from backend.src.config.validation import validate


def load(toml: Path | None, environment: Mapping[str, str], dotenv: Path | None = None) -> Settings:
    """Settings from the file (skipped when None), `dotenv`, and `environment`, the last word being the last.

    Raises ConfigurationError naming the file or variable, the key and the remedy.
    """
    from_file = read_toml(toml) if toml else {}
    variables = with_secrets_of_files({**_read_dotenv(dotenv), **environment}, secret_names())
    chosen = {
        section.name: _section(section.name, section.default_factory, from_file.pop(section.name, {}), toml, variables)
        for section in sections()
    }
    providers = _providers(from_file.pop("providers", []), toml, variables)
    if from_file:
        raise _unknown(toml, next(iter(from_file)), [section.name for section in fields(Settings)], "section")
    settings = Settings(**chosen, providers=providers)
    validate(settings)
    return settings


def environment_names() -> dict[str, tuple[str, str]]:
    """Every environment variable with the section and key that it sets."""
    return {option.metadata["env"]: (section, option.name) for section, option in options() if option.metadata["env"]}


def secret_names() -> frozenset[str]:
    """The environment variables that hold secrets: NAME_FILE may name a file instead."""
    secret = {option.metadata["env"] for _, option in options() if isinstance(option.default, Secret)}
    return frozenset(secret - {None})


def options() -> Iterator[tuple[str, Field[Any]]]:
    """Every option of the sections that come once, with its section's name."""
    for section in sections():
        for option in fields(section.default_factory):  # type: ignore[arg-type]
            yield section.name, option


def read_toml(path: Path) -> dict[str, Any]:
    """The parsed file. Raises ConfigurationError when it cannot be read or is damaged."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigurationError(
            f"cannot read {path}: {exc.strerror}", remedy="check the path and its permissions"
        ) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(
            f"{path} is damaged: {exc}", remedy="mend that line, or restore the file from git"
        ) from exc


def _read_dotenv(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    return {key: value for key, value in dotenv_values(path).items() if value is not None}


def _providers(tables: Any, toml: Path | None, variables: Mapping[str, str]) -> tuple[ProviderSettings, ...]:
    if not isinstance(tables, list):
        raise ConfigurationError(f"{toml}: providers is not a list of tables", remedy="write each as: [[providers]]")
    found: list[ProviderSettings] = [_section("providers", ProviderSettings, table, toml, {}) for table in tables]
    # the variable's name holds the provider's, so no option can declare it
    secrets = [variables.get(provider.secret_variable) or provider.client_secret.reveal() for provider in found]
    return tuple(
        replace(provider, client_secret=Secret(secret)) for provider, secret in zip(found, secrets, strict=True)
    )


def _section(name: str, kind: Any, values: Any, toml: Path | None, variables: Mapping[str, str]) -> Any:
    if not isinstance(values, dict):
        raise ConfigurationError(f"{toml}: [{name}] is not a table", remedy=f"write it as a table: [{name}]")
    hints = get_type_hints(kind)
    known = {option.name: option for option in fields(kind)}
    for key in values:
        if key not in known:
            raise _unknown(toml, f"{name}.{key}", [f"{name}.{one}" for one in known], "key")
    chosen = {key: convert(value, hints[key], f"{toml}: {name}.{key}") for key, value in values.items()}
    for key, option in known.items():
        variable = option.metadata["env"]
        if variables.get(variable or "", "") != "":
            chosen[key] = convert(variables[variable], hints[key], f"environment variable {variable}")
    return replace(kind(), **chosen)


def _unknown(toml: Path | None, name: str, known: list[str], what: str) -> ConfigurationError:
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"remove it; known {what}s: {', '.join(known)}"
    return ConfigurationError(f"{toml}: unknown {what} {name}", remedy=remedy)
