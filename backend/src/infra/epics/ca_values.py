"""A Python value as the bytes of a Channel Access put, by the channel's native type. Nothing is ever wrapped."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.src.infra.epics import dbr
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.frame import PvValue

_RANGES = {
    dbr.SHORT: (-(2**15), 2**15 - 1),
    dbr.ENUM: (0, 2**16 - 1),
    dbr.CHAR: (-128, 255),  # the record behind it may be signed or not; Channel Access does not say
    dbr.LONG: (-(2**31), 2**31 - 1),
}
_FLOATING = (dbr.FLOAT, dbr.DOUBLE)
_FLOAT_BYTES = {dbr.FLOAT: struct.Struct("<f"), dbr.DOUBLE: struct.Struct("<d")}
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


class Unfit(ValueError):
    """The channel cannot hold the value; the message says why."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What ca_array_put takes: a DBR type, a number of elements, their bytes."""

    request: int
    count: int
    data: bytes


def payload(channel: Channel, value: PvValue) -> Payload:
    """Raises Unfit."""
    if isinstance(value, str):
        return _text(channel, value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return _elements(channel, value)
    return Payload(channel.native, 1, _scalar(channel.native, value))


def _scalar(native: int, value: Any) -> bytes:
    if native == dbr.STRING:
        raise Unfit(f"the channel holds text, not {value!r}")
    if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        raise Unfit(f"{value!r:.60} is not a number")
    if native in _FLOATING:
        return _FLOAT_BYTES[native].pack(_floating(native, value))
    return _integer_bytes(native, value)


def _floating(native: int, value: Any) -> float:
    if type(value) is float and native == dbr.DOUBLE:
        return value
    number = exact_double(value)
    if native == dbr.FLOAT and math.isfinite(number) and abs(number) > _LARGEST_FLOAT:
        raise Unfit(f"{value} is beyond the range of a 32-bit float")
    return number


def exact_double(value: Any) -> float:
    """The number as a double. Raises Unfit for an integer that has none."""
    if isinstance(value, (float, np.floating)):
        return float(value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or int(number) != int(value):
        raise Unfit(f"{value} has no exact double, which carries 53 bits")
    return number


def _integer_bytes(native: int, value: Any) -> bytes:
    if isinstance(value, (float, np.floating)) and not float(value).is_integer():
        raise Unfit(f"{value} is not an integer")
    number, (least, most) = int(value), _RANGES[native]
    if not least <= number <= most:
        raise Unfit(f"{number} is outside {least}..{most}")
    return number.to_bytes(dbr.ELEMENTS[native].itemsize, "little", signed=number < 0)


def _encoded(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise Unfit("text with a NUL cannot be written")
    return raw


def _text(channel: Channel, value: str) -> Payload:
    try:
        raw = _encoded(value)
    except UnicodeEncodeError as error:
        raise Unfit("the text holds characters that cannot be encoded") from error
    if channel.native == dbr.CHAR and (channel.long_string or channel.count > 1):
        return _long_text(channel, raw)
    if channel.native in (dbr.STRING, dbr.ENUM):
        return Payload(dbr.STRING, 1, _short_text(raw))  # the server looks up an enum's label
    return Payload(channel.native, 1, _scalar(channel.native, _number(channel.native, value)))


def _number(native: int, value: str) -> float | int:
    try:
        return float(value) if native in _FLOATING else int(value)
    except ValueError as error:
        raise Unfit(f"{value!r:.60} is not a number") from error


def _short_text(raw: bytes) -> bytes:
    if len(raw) >= dbr.STRING_BYTES:
        raise Unfit(f"the text has {len(raw)} bytes, a string holds {dbr.STRING_BYTES - 1}")
    return raw.ljust(dbr.STRING_BYTES, b"\0")


def _long_text(channel: Channel, raw: bytes) -> Payload:
    if len(raw) >= channel.count:
        raise Unfit(f"the text has {len(raw)} bytes, the channel holds {channel.count - 1}")
    return Payload(dbr.CHAR, len(raw) + 1, raw + b"\0")


def _elements(channel: Channel, value: Any) -> Payload:
    if isinstance(value, np.ndarray) and value.ndim != 1:
        raise Unfit("an array must have one dimension")
    if len(value) == 0:
        raise Unfit("Channel Access cannot write an empty array")
    if len(value) > channel.count:
        raise Unfit(f"{len(value)} elements do not fit, the channel holds {channel.count}")
    if channel.native == dbr.STRING:
        return Payload(dbr.STRING, len(value), b"".join(_element_text(item) for item in value))
    return Payload(channel.native, len(value), _numbers(channel.native, value))


def _element_text(item: Any) -> bytes:
    if not isinstance(item, str):
        raise Unfit(f"the channel holds text, not {item!r:.60}")
    try:
        return _short_text(_encoded(item))
    except UnicodeEncodeError as error:
        raise Unfit("the text holds characters that cannot be encoded") from error


def _numbers(native: int, value: Any) -> bytes:
    if isinstance(value, np.ndarray) and value.dtype == dbr.ELEMENTS[native]:
        return np.ascontiguousarray(value).tobytes()
    if isinstance(value, np.ndarray) and _always_fits(value.dtype, native):
        return value.astype(dbr.ELEMENTS[native]).tobytes()
    return b"".join(_scalar(native, item) for item in value)


def _always_fits(given: np.dtype[Any], native: int) -> bool:
    return given.kind in "iufb" and np.can_cast(given, dbr.ELEMENTS[native], "safe")
