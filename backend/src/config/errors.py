"""What stops the start when the configuration is wrong."""

from __future__ import annotations


class ConfigurationError(Exception):
    """A file, key or variable is wrong; the message names it and `remedy` says what to do."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
