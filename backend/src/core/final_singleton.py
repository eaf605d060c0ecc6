"""A final class of which RuntimeManager makes the only instance."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from backend.src.core.final_class import FinalClass

_permitted: ContextVar[type | None] = ContextVar("permitted singleton", default=None)


class FinalSingleton(FinalClass):
    """Metaclass: calling the class is a TypeError, unless RuntimeManager does it (or a test, by build)."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if _permitted.get() is not cls:
            raise TypeError(f"{cls.__name__} is a singleton: register it in RuntimeManager and get it there")
        _permitted.set(None)  # what it builds in turn must ask for itself
        return super().__call__(*args, **kwargs)

    def build(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes an instance outside the registry: for RuntimeManager and for tests of the class itself."""
        token = _permitted.set(cls)
        try:
            return cls(*args, **kwargs)
        finally:
            _permitted.reset(token)
