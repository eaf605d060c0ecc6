"""A class that nobody may derive from."""

from __future__ import annotations

from typing import Any


class FinalClass(type):
    """Metaclass: a subclass of a class made with it is a TypeError at definition."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> FinalClass:
        for base in bases:
            if isinstance(base, FinalClass):
                raise TypeError(f"{base.__name__} is final: {name} cannot derive from it")
        return super().__new__(mcs, name, bases, namespace, **kwargs)
