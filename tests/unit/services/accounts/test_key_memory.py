"""What was read before a revocation is not remembered after it, and the memory stays small."""

from __future__ import annotations

from backend.src.services.accounts.key_memory import MOST_KEYS, KeyMemory, KnownKey

KEY = KnownKey.of({"id": 1, "token_hash": "a", "app_name": "scans", "scopes": ["read"], "expires_at": None})


def test_a_key_is_remembered_until_any_is_revoked() -> None:
    memory = KeyMemory()
    memory.remember("a", KEY, since=memory.moment)
    assert memory.recall("a") is KEY
    memory.forget()
    assert memory.recall("a") is None


def test_what_was_read_before_a_revocation_is_not_kept() -> None:
    memory = KeyMemory()
    moment = memory.moment
    memory.forget()
    memory.remember("a", KEY, since=moment)
    assert memory.recall("a") is None


def test_it_does_not_grow_for_ever() -> None:
    memory = KeyMemory()
    for number in range(MOST_KEYS + 1):
        memory.remember(str(number), KEY, since=memory.moment)
    assert memory.recall("0") is None and memory.recall(str(MOST_KEYS)) is KEY
