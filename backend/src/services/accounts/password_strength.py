"""Whether a password is worth having: its length, and how many guesses it would take (zxcvbn, USENIX Security 2016)."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

from zxcvbn import zxcvbn
from zxcvbn.matching import L33T_TABLE

RATED_LENGTH = 72  # zxcvbn takes no more; what comes after only adds to it
# it looks a password up once for each way to read the 4, @, ( or | in it as letters: for all of them at full length
# that took seconds, in which nobody else was answered
MOST_READINGS = 16
RATED_WITH_MORE = 16
OWN_WORDS = (
    "larder",
    "epics",
    "squirrel",
    "snapshot",
    "demo",
    "administrator",
    "admin",
    "operator",
    "control",
    "password",
)
LEAST_BESIDE = 8  # letters and digits that are neither of these words nor of the person's name and address
# refused whatever the settings say: the first that anybody tries
DEFAULTS = frozenset(
    {
        *OWN_WORDS,
        *("controlroom", "root", "passw0rd", "changeme", "change-me", "secret", "letmein", "guest", "test"),
        *("1234567890", "123456789", "12345678", "0123456789", "qwertyuiop", "larderlarder", "adminadmin"),
        *("larder-admin", "larderadmin", "administrator1", "password123", "admin12345"),
    }
)


def weaknesses(password: str, hints: Collection[str], *, length: int, strength: int) -> list[str]:
    """What speaks against it, nothing when it will do. `hints` are what an attacker knows of the person."""
    plain = password.lower()
    if len(password) < length:
        return [f"It has {len(password)} characters; at least {length} are needed."]
    if plain in DEFAULTS or plain in {hint.lower() for hint in hints}:
        return ["It is one of the first that anybody would try."]
    if not strength:
        return []
    if len(beside(plain, [*OWN_WORDS, *words_of(hints)])) < LEAST_BESIDE:
        return ["It is little more than a name that anybody would try."]
    rating: dict[str, Any] = zxcvbn(_rated(password), user_inputs=[*OWN_WORDS, *words_of(hints)])
    if rating["score"] >= strength:
        return []
    feedback = rating["feedback"]
    return [advice for advice in (feedback["warning"], *feedback["suggestions"]) if advice] or ["It is easy to guess."]


def beside(plain: str, words: Collection[str]) -> str:
    """What is left of a password, in lower case, without these words and without punctuation."""
    for word in sorted({word.lower() for word in words}, key=len, reverse=True):
        plain = plain.replace(word, " ")
    return re.sub(r"[\W_]+", "", plain)


def words_of(hints: Collection[str]) -> list[str]:
    """The hints and their parts: ann.smith@lab.org is guessed as ann, smith and lab, too."""
    parts = [part for hint in hints for part in re.split(r"[\W_]+", hint)]
    return [word for word in dict.fromkeys((*hints, *parts)) if len(word) > 2]


def _rated(password: str) -> str:
    """As much of its beginning as is rated in a moment; the whole is no weaker."""
    readings = math.prod(max(1, sum(sign in password for sign in signs)) for signs in L33T_TABLE.values())
    return password[: RATED_LENGTH if readings <= MOST_READINGS else RATED_WITH_MORE]
