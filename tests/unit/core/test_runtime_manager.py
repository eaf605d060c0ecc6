"""The service locator: lazy, once, thread-safe, honest about circles and second services."""

import threading
import time
from collections.abc import Iterator

import pytest

from backend.src.core.errors import Conflict, NotFound
from backend.src.core.final_class import FinalClass
from backend.src.core.final_singleton import FinalSingleton
from backend.src.core.runtime_manager import RuntimeManager


class Plain:
    built = 0

    def __init__(self, name: str = "") -> None:
        type(self).built += 1
        self.name = name


class Single(metaclass=FinalSingleton):
    def __init__(self, name: str) -> None:
        self.name = name


class Other(metaclass=FinalSingleton):
    def __init__(self) -> None:
        self.single = Single("made by the back door")


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    RuntimeManager.reset()
    Plain.built = 0
    yield
    RuntimeManager.reset()


def test_a_service_is_built_when_first_asked_for_and_once() -> None:
    RuntimeManager.register(Plain, "one")
    assert Plain.built == 0
    assert RuntimeManager.get(Plain) is RuntimeManager.get(Plain)
    assert (Plain.built, RuntimeManager.get(Plain).name) == (1, "one")


def test_many_threads_get_one_instance() -> None:
    def slow() -> Plain:
        time.sleep(0.05)
        return Plain()

    RuntimeManager.register(Plain, factory=slow)
    seen: list[Plain] = []
    threads = [threading.Thread(target=lambda: seen.append(RuntimeManager.get(Plain))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8 and len(set(map(id, seen))) == 1 and Plain.built == 1


def test_a_test_can_set_a_fake() -> None:
    fake = object.__new__(Single)
    RuntimeManager.set(Single, fake)
    assert RuntimeManager.get(Single) is fake


def test_a_second_service_of_one_key_is_refused() -> None:
    RuntimeManager.register(Plain)
    with pytest.raises(Conflict, match="Plain"):
        RuntimeManager.register(Plain)
    with pytest.raises(Conflict, match="Plain"):
        RuntimeManager.set(Plain, Plain())


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(NotFound, match="Plain"):
        RuntimeManager.get(Plain)


def test_a_circle_is_named_with_its_path() -> None:
    def plain() -> Plain:
        RuntimeManager.get(Single)
        return Plain()

    def single() -> Single:
        RuntimeManager.get(Plain)
        made: Single = Single.build("x")
        return made

    RuntimeManager.register(Plain, factory=plain)
    RuntimeManager.register(Single, factory=single)
    with pytest.raises(Conflict, match="Plain -> Single -> Plain"):
        RuntimeManager.get(Plain)


def test_a_failed_factory_may_be_tried_again() -> None:
    attempts = []

    def factory() -> Plain:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        return Plain()

    RuntimeManager.register(Plain, factory=factory)
    with pytest.raises(OSError, match="not yet"):
        RuntimeManager.get(Plain)
    assert RuntimeManager.get(Plain)


def test_reset_forgets_everything() -> None:
    RuntimeManager.register(Plain)
    RuntimeManager.reset()
    assert not RuntimeManager.has(Plain) and RuntimeManager.registered() == ()


def test_keys_are_in_the_order_of_registration() -> None:
    RuntimeManager.register(Single, "x")
    RuntimeManager.register(Plain)
    assert RuntimeManager.registered() == (Single, Plain)


def test_a_final_singleton_is_built_by_the_manager_alone() -> None:
    with pytest.raises(TypeError, match="RuntimeManager"):
        Single("by hand")
    RuntimeManager.register(Single, "by the manager")
    assert RuntimeManager.get(Single).name == "by the manager"
    with pytest.raises(TypeError, match="RuntimeManager"):
        Single("afterwards")


def test_a_singleton_cannot_smuggle_in_another() -> None:
    with pytest.raises(TypeError, match="Single"):
        Other.build()


def test_final_classes_cannot_be_derived_from() -> None:
    with pytest.raises(TypeError, match="Single is final"):
        type("Child", (Single,), {})

    class Last(metaclass=FinalClass):
        pass

    with pytest.raises(TypeError, match="Last is final"):
        type("Child", (Last,), {})
