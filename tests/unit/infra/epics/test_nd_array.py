"""Decoding: for every colour mode and every type of pixel, what a detector sends is what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from p4p import Value
from p4p.nt import NTNDArray

from backend.src.infra.epics.nd_array import BadFrame, BayerPattern, ColourMode, decode

MOST = 1_000_000
DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
# [height, width(, colour)] -> the order of the axes on the wire, the slowest first
ON_THE_WIRE = {
    ColourMode.MONO: (0, 1),
    ColourMode.BAYER: (0, 1),
    ColourMode.RGB1: (0, 1, 2),
    ColourMode.RGB2: (0, 2, 1),
    ColourMode.RGB3: (2, 0, 1),
}
Pixels = npt.NDArray[Any]


def sent(pixels: Pixels, mode: int | None, **more: Any) -> Value:
    """The structure of a detector, from [height, width(, colour)]."""
    axes = ON_THE_WIRE.get(ColourMode(mode)) if mode is not None and mode in ON_THE_WIRE else None
    ordered = pixels if axes is None else pixels.transpose(axes)
    value = NTNDArray().wrap(np.ascontiguousarray(ordered), attrib={"ColorMode": mode or 0, **more})
    if mode is None:
        value["attribute"] = []
    return value


@st.composite
def frames(draw: st.DrawFn) -> tuple[ColourMode, Pixels]:
    """Any mode, any type, any numbers, sizes that differ in both directions."""
    mode = draw(st.sampled_from(list(ON_THE_WIRE)))
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    shape = size if len(ON_THE_WIRE[mode]) == 2 else (*size, 3)
    return mode, draw(arrays.arrays(np.dtype(draw(st.sampled_from(DTYPES))), shape))


@given(frames())
def test_what_was_sent_is_what_is_decoded(frame: tuple[ColourMode, Pixels]) -> None:
    mode, pixels = frame
    image = decode(sent(pixels, mode), MOST)
    assert image.mode is mode
    assert image.pixels.dtype == pixels.dtype
    assert image.pixels.shape == pixels.shape
    assert image.pixels.tobytes() == pixels.tobytes(), "bit by bit: NaN too"


def test_booleans_are_numbers() -> None:
    image = decode(sent(np.array([[True, False]]), ColourMode.MONO), MOST)
    assert image.pixels.tolist() == [[1, 0]] and image.pixels.dtype == np.uint8


def test_time_number_and_attributes_come_along() -> None:
    value = sent(np.zeros((2, 3), "u2"), ColourMode.BAYER, BayerPattern=3, Gain=1.5, Screen="YAG", Bad=float("nan"))
    value["timeStamp"] = {"secondsPastEpoch": 100, "nanoseconds": 5}
    assert decode(value, MOST).time_ns == 100_000_000_005
    value["dataTimeStamp"] = {"secondsPastEpoch": 99, "nanoseconds": 7}
    value["uniqueId"] = 42
    image = decode(value, MOST)
    assert (image.time_ns, image.unique_id, image.pattern) == (99_000_000_007, 42, BayerPattern.BGGR)
    assert image.attributes == {"ColorMode": 1, "BayerPattern": 3, "Gain": 1.5, "Screen": "YAG", "Bad": "nan"}


@pytest.mark.parametrize("seconds", [-5, 1_700_000_000_000, 9_223_372_037, 2**62])
def test_a_time_that_is_none_is_not_named(seconds: int) -> None:
    """E.g. milliseconds where seconds belong."""
    value = sent(np.zeros((2, 3), "u2"), ColourMode.MONO)
    value["timeStamp"] = {"secondsPastEpoch": 0, "nanoseconds": 0}
    value["dataTimeStamp"] = {"secondsPastEpoch": seconds, "nanoseconds": 0}
    assert decode(value, MOST).time_ns == 0
    value["timeStamp"] = {"secondsPastEpoch": 100, "nanoseconds": 5}
    assert decode(value, MOST).time_ns == 100_000_000_005


@pytest.mark.parametrize(
    ("shape", "mode"),
    [
        ((4, 5), ColourMode.MONO),
        ((4, 5, 3), ColourMode.RGB1),
        ((4, 3, 5), ColourMode.RGB2),
        ((3, 4, 5), ColourMode.RGB3),
    ],
)
def test_without_a_colour_mode_the_shape_tells(shape: tuple[int, ...], mode: ColourMode) -> None:
    image = decode(sent(np.zeros(shape, "u1"), None), MOST)
    assert (image.mode, image.height, image.width) == (mode, 4, 5)


def bad(change: Any) -> Value:
    value = sent(np.zeros((4, 5), "u1"), ColourMode.MONO)
    change(value)
    return value


def set_to(name: str, content: Any) -> Any:
    return lambda value: value.__setitem__(name, content)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (bad(set_to("codec.name", "jpeg")), "compressed by 'jpeg'"),
        (bad(set_to("dimension", [{"size": 5}])), "no picture"),
        (bad(set_to("dimension", [])), "no picture"),
        (bad(set_to("dimension", [{"size": 4}, {"size": 4}])), "20 elements"),
        (bad(set_to("dimension", [{"size": -5}, {"size": -4}])), "no picture"),
        (bad(set_to("value", ("ubyteValue", []))), "empty"),
        (sent(np.zeros((4, 5), "u1"), ColourMode.YUV444), "YUV444"),
        (sent(np.zeros((4, 5), "u1"), 17), "unknown"),
        (bad(set_to("attribute", [{"name": "ColorMode", "value": 2}])), "RGB1 does not fit"),
        (bad(set_to("attribute", [{"name": "ColorMode", "value": "red"}])), "unknown"),
        (sent(np.zeros((3, 5, 3), "u1"), None), "do not tell"),
        (sent(np.zeros((2000, 2000), "u1"), ColourMode.MONO), "frame_bytes"),
        (Value(NTNDArray().type, {}), "empty"),
        ({"value": 3}, "no NTNDArray"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_with_the_reason(value: Value, why: str) -> None:
    with pytest.raises(BadFrame, match=why):
        decode(value, MOST)
