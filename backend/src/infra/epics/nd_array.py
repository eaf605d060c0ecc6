"""Frames of area detectors: NTNDArray structures as arrays of pixels.

The order of the axes is that of areaDetector's NDArray (ADCore, NDArray.h and NDPluginColorConvert): the first
dimension is the one that moves fastest, so NumPy's shape is the dimensions in reverse. ColorMode is an attribute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
Attribute = bool | int | float | str

NS = 1_000_000_000
MOST_ATTRIBUTES = 100
LONGEST_TEXT = 500
COLOURS = 3
LATEST_NS = 2**63 - 1  # in the year 2262: what comes later was no time, and fits no 64 bits
_ODD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


class ColourMode(IntEnum):
    """NDColorMode_t. The YUV modes are named so that they can be refused by name."""

    MONO = 0
    BAYER = 1
    RGB1 = 2
    RGB2 = 3
    RGB3 = 4
    YUV444 = 5
    YUV422 = 6
    YUV421 = 7

    @property
    def label(self) -> str:
        """As areaDetector writes it, e.g. Mono, RGB1."""
        return self.name if self.name.startswith(("RGB", "YUV")) else self.name.capitalize()


class BayerPattern(IntEnum):
    """NDBayerPattern_t: the colours of the first two rows' first two pixels."""

    RGGB = 0
    GBRG = 1
    GRBG = 2
    BGGR = 3


# where the axis of the three colours is in NumPy's shape
_COLOUR_AXIS = {ColourMode.RGB1: 2, ColourMode.RGB2: 1, ColourMode.RGB3: 0}


class BadFrame(ValueError):
    """The structure holds no picture that Larder understands; the text says why."""


@dataclass(frozen=True, slots=True)
class NDImage:
    """One frame. pixels: [height, width], or [height, width, 3] for RGB whatever the order on the wire; the dtype is
    the camera's own, except that booleans are uint8. time_ns: since 1970, of the frame, 0 when it names none."""

    pixels: Pixels
    mode: ColourMode
    time_ns: int = 0
    unique_id: int = 0
    pattern: BayerPattern = BayerPattern.RGGB
    attributes: dict[str, Attribute] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])


def decode(value: Any, most_bytes: int) -> NDImage:
    """A p4p Value of NTNDArray as pixels, without copying where the order of the axes allows. Raises BadFrame."""
    try:
        return _decode(value, most_bytes)
    except BadFrame:
        raise
    except _ODD as exc:
        raise BadFrame(f"no NTNDArray: {exc!r}"[:LONGEST_TEXT]) from exc


def _decode(value: Any, most_bytes: int) -> NDImage:
    _refuse_codec(value)
    flat = _elements(value, most_bytes)
    attributes = _attributes(value)
    shape = _shape(value, flat)
    mode = _mode(attributes, shape)
    return NDImage(
        _arranged(flat.reshape(shape), mode),
        mode,
        time_ns=_time_ns(value),
        unique_id=int(value["uniqueId"]),
        pattern=_pattern(attributes),
        attributes=attributes,
    )


def _refuse_codec(value: Any) -> None:
    name = str(value["codec.name"])
    if name:
        raise BadFrame(f"the frame is compressed by {name[:40]!r}: let the camera's PVA plugin send plain frames")


def _elements(value: Any, most_bytes: int) -> Pixels:
    flat = value["value"]
    if flat is None:
        raise BadFrame("the frame is empty")
    if not isinstance(flat, np.ndarray) or flat.dtype.kind not in "?biuf" or not flat.size:
        raise BadFrame("the frame holds no numbers")
    if flat.nbytes > most_bytes:
        raise BadFrame(f"the frame has {flat.nbytes} bytes, more than cameras.frame_bytes ({most_bytes})")
    return flat.view(np.uint8) if flat.dtype.kind == "b" else flat


def _shape(value: Any, flat: Pixels) -> tuple[int, ...]:
    sizes = tuple(int(dimension["size"]) for dimension in value["dimension"])
    shape = sizes[::-1]
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise BadFrame(f"the frame has the dimensions {sizes}: no picture")
    if int(np.prod(shape, dtype=object)) != flat.size:
        raise BadFrame(f"the frame has {flat.size} elements, but dimensions {sizes}")
    return shape


def _mode(attributes: dict[str, Attribute], shape: tuple[int, ...]) -> ColourMode:
    number = attributes.get("ColorMode")
    if number is None:  # no areaDetector: guessed where there is but one way to see it
        return _likely_mode(shape)
    try:
        mode = ColourMode(int(number))
    except ValueError as exc:
        raise BadFrame(f"the colour mode {number!r} is unknown") from exc
    axis = _COLOUR_AXIS.get(mode)
    if mode >= ColourMode.YUV444:
        raise BadFrame(f"the colour mode is {mode.label}: let the camera send Mono, Bayer or RGB")
    if (axis is None) != (len(shape) == 2) or (axis is not None and shape[axis] != COLOURS):
        raise BadFrame(f"the colour mode {mode.label} does not fit the dimensions {shape[::-1]}")
    return mode


def _likely_mode(shape: tuple[int, ...]) -> ColourMode:
    if len(shape) == 2:
        return ColourMode.MONO
    fitting = [mode for mode, axis in _COLOUR_AXIS.items() if shape[axis] == COLOURS]
    if len(fitting) != 1:
        raise BadFrame(f"the frame names no ColorMode, and its dimensions {shape[::-1]} do not tell")
    return fitting[0]


def _arranged(pixels: Pixels, mode: ColourMode) -> Pixels:
    axis = _COLOUR_AXIS.get(mode)
    return pixels if axis in (None, 2) else np.ascontiguousarray(np.moveaxis(pixels, axis, 2))


def _pattern(attributes: dict[str, Attribute]) -> BayerPattern:
    number = attributes.get("BayerPattern", 0)
    return BayerPattern(int(number)) if number in set(BayerPattern) else BayerPattern.RGGB


def _attributes(value: Any) -> dict[str, Attribute]:
    """Those that JSON can carry: numbers and texts."""
    found: dict[str, Attribute] = {}
    for attribute in value["attribute"][:MOST_ATTRIBUTES]:
        content = attribute["value"]
        if isinstance(content, str) or (isinstance(content, float) and not math.isfinite(content)):
            content = _text(content)
        if isinstance(content, bool | int | float | str):
            found[_text(attribute["name"])] = content
    return found


def _text(content: object) -> str:
    """Without what UTF-8 cannot carry."""
    return str(content)[:LONGEST_TEXT].encode(errors="replace").decode()


def _time_ns(value: Any) -> int:
    """When the frame was taken; servers that leave dataTimeStamp empty have timeStamp. 0 for what is no time."""
    for name in ("dataTimeStamp", "timeStamp"):
        time_ns = int(value[f"{name}.secondsPastEpoch"]) * NS + int(value[f"{name}.nanoseconds"])
        if 0 < time_ns <= LATEST_NS:
            return time_ns
    return 0
