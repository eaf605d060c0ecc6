"""Where a command finds its settings."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from backend.src.config.loading import load
from backend.src.config.settings import Secret, Settings
from backend.src.core.data_folder import DataFolder

DEFAULT_FILE = Path("config.toml")
DOTENV = Path(".env")


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Adds --config."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (default: ./config.toml, if any)"
    )


def read_settings(options: argparse.Namespace, **overriding: object) -> Settings:
    """Settings from --config or ./config.toml, .env, the environment and what is `overriding` its variables.

    None overrides nothing. Raises ConfigurationError.
    """
    file = options.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    given = {variable: str(value) for variable, value in overriding.items() if value is not None}
    return load(file, {**os.environ, **given}, DOTENV)


def with_secret_key(settings: Settings) -> Settings:
    """The same with a secret key: the configured one, or the one kept in the data folder (made when missing)."""
    if settings.server.secret_key:
        return settings
    folder = DataFolder(settings.server.data_dir)
    folder.make()
    server = replace(settings.server, secret_key=Secret(folder.secret_key()))
    return replace(settings, server=server)
