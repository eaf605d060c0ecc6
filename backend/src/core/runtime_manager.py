"""The service locator: one instance a type, built when first asked for.

It is asked at the edges only (server.py and the endpoints' construction); services get what they need
through their constructors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from backend.src.core.errors import Conflict, NotFound
from backend.src.core.final_singleton import FinalSingleton

T = TypeVar("T")


class RuntimeManager:
    """A registry for the process, keyed by type. Every method may be called from any thread."""

    _lock: ClassVar[threading.RLock] = threading.RLock()
    _factories: ClassVar[dict[type, Callable[[], Any]]] = {}
    _instances: ClassVar[dict[type, Any]] = {}
    _building: ClassVar[list[type]] = []

    @classmethod
    def register(cls, key: type[T], *args: Any, factory: Callable[[], T] | None = None) -> None:
        """Says how `key` is made: `factory()`, or else the class called with `args`. Raises Conflict when taken."""
        with cls._lock:
            cls._refuse_second(key)
            cls._factories[key] = factory or (lambda: _build(key, args))

    @classmethod
    def set(cls, key: type[T], instance: T) -> T:
        """Registers a ready instance, such as a test's fake. Raises Conflict when the key is taken."""
        with cls._lock:
            cls._refuse_second(key)
            cls._instances[key] = instance
            return instance

    @classmethod
    def get(cls, key: type[T]) -> T:
        """The instance of `key`, made now if it was not yet. Raises NotFound, or Conflict for a circle."""
        with cls._lock:
            if key not in cls._instances:
                cls._instances[key] = cls._make(key)
            return cast(T, cls._instances[key])

    @classmethod
    def has(cls, key: type) -> bool:
        """Whether get would find the key."""
        with cls._lock:
            return key in cls._instances or key in cls._factories

    @classmethod
    def registered(cls) -> tuple[type, ...]:
        """Every key, in the order of registration."""
        with cls._lock:
            return tuple(dict.fromkeys((*cls._factories, *cls._instances)))

    @classmethod
    def reset(cls) -> None:
        """Forgets everything. Services that were started must have been stopped."""
        with cls._lock:
            cls._factories.clear()
            cls._instances.clear()
            cls._building.clear()

    @classmethod
    def _make(cls, key: type) -> Any:
        if key not in cls._factories:
            raise NotFound(f"no service {key.__name__} is registered", remedy="register it in server.py")
        if key in cls._building:
            path = " -> ".join(service.__name__ for service in (*cls._building, key))
            raise Conflict(f"services need each other in a circle: {path}")
        cls._building.append(key)
        try:
            return cls._factories[key]()
        finally:
            cls._building.remove(key)

    @classmethod
    def _refuse_second(cls, key: type) -> None:
        if key in cls._factories or key in cls._instances:
            raise Conflict(f"a service {key.__name__} is registered already")


def _build(key: type, args: tuple[Any, ...]) -> Any:
    if isinstance(key, FinalSingleton):
        return key.build(*args)
    return key(*args)
