"""Secrets that stand in files, as container engines hand them out: DB_PASSWORD_FILE names the file of DB_PASSWORD."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from backend.src.config.errors import ConfigurationError

SUFFIX = "_FILE"
_of_a_provider = re.compile(r"OIDC_[A-Z0-9_]+_CLIENT_SECRET")


def with_secrets_of_files(variables: Mapping[str, str], secrets: Collection[str]) -> dict[str, str]:
    """`variables` and those of `secrets` (and of the providers) whose files they name.

    One end of line at the end of a file is not part of the secret. Raises ConfigurationError.
    """
    read = {}
    for name in _named(variables, secrets):
        path = variables[name + SUFFIX]
        if variables.get(name):
            raise ConfigurationError(f"{name} and {name}{SUFFIX} are both set", remedy="set one of them")
        read[name] = _secret(name + SUFFIX, Path(path))
    return {**variables, **read}


def _named(variables: Mapping[str, str], secrets: Collection[str]) -> Iterable[str]:
    for variable, path in variables.items():
        name = variable.removesuffix(SUFFIX)
        if path and name != variable and (name in secrets or _of_a_provider.fullmatch(name)):
            yield name


def _secret(variable: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or "it is no text"
        raise ConfigurationError(
            f"environment variable {variable}: cannot read {path}: {reason}",
            remedy="check that the file is there, and that this process may read it",
        ) from exc
    if not text:
        raise ConfigurationError(
            f"environment variable {variable}: {path} is empty", remedy=f"write the secret into it, or unset {variable}"
        )
    return text
