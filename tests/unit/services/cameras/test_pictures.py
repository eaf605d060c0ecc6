"""Pictures: a still loses nothing, and what people look at is what the camera saw."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from backend.src.infra.epics.nd_array import BayerPattern, ColourMode, NDImage
from backend.src.services.cameras import pictures

DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
WIDEST = 1280
Pixels = npt.NDArray[Any]


def image_of(pixels: Pixels, mode: ColourMode = ColourMode.MONO, **more: Any) -> NDImage:
    return NDImage(pixels, ColourMode.RGB1 if pixels.ndim == 3 else mode, **more)


def read(file: pictures.Encoded) -> Pixels:
    """With somebody else's reader."""
    if file.suffix == "tiff":
        return np.asarray(tifffile.imread(io.BytesIO(file.content)))
    return np.asarray(Image.open(io.BytesIO(file.content)))


@st.composite
def any_pixels(draw: st.DrawFn) -> Pixels:
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    shape = draw(st.sampled_from([size, (*size, 3)]))
    return draw(arrays.arrays(np.dtype(draw(st.sampled_from(DTYPES))), shape))


@given(any_pixels())
def test_a_still_keeps_every_bit(pixels: Pixels) -> None:
    file = pictures.still(image_of(pixels))
    found = read(file)
    # a reader drops dimensions of one pixel
    assert found.dtype == pixels.dtype
    assert found.reshape(pixels.shape).tobytes() == pixels.tobytes()


@given(any_pixels())
def test_whatever_the_numbers_there_is_something_to_look_at(pixels: Pixels) -> None:
    image = image_of(pixels)
    assert pictures.eight_bits(image).shape == pixels.shape
    assert Image.open(io.BytesIO(pictures.preview(image, WIDEST).content)).format == "JPEG"
    width, height = size = pictures.shown_size(image, WIDEST)
    assert width % 2 == height % 2 == 0
    assert len(pictures.video_frame(image, size)) == width * height * 3


@pytest.mark.parametrize(
    ("dtype", "colours", "suffix"),
    [("u1", 1, "png"), ("u2", 1, "png"), ("u1", 3, "png"), ("u2", 3, "tiff"), ("i2", 1, "tiff"), ("f4", 1, "tiff")],
)
def test_a_still_is_png_where_that_can_hold_it(dtype: str, colours: int, suffix: str) -> None:
    shape = (4, 5) if colours == 1 else (4, 5, 3)
    assert pictures.still(image_of(np.zeros(shape, dtype))).suffix == suffix


def test_more_than_eight_bits_are_stretched_and_eight_stay() -> None:
    assert pictures.eight_bits(image_of(np.array([[100, 300]], "u2"))).tolist() == [[0, 255]]
    assert pictures.eight_bits(image_of(np.array([[-5, 0, 5]], "i1"))).tolist() == [[0, 127, 255]]
    assert pictures.eight_bits(image_of(np.array([[10, 20]], "u1"))).tolist() == [[10, 20]]
    assert pictures.eight_bits(image_of(np.array([[7.0, 7.0]]))).tolist() == [[0, 0]]
    wide = np.array([[np.nan, -np.inf, -1.5e308, 1.5e308]])
    assert pictures.eight_bits(image_of(wide)).tolist() == [[0, 0, 0, 255]]


@pytest.mark.parametrize("pattern", list(BayerPattern))
def test_the_colours_of_a_mosaic_are_those_of_its_pattern(pattern: BayerPattern) -> None:
    level = {"R": 200, "G": 100, "B": 50}
    cell = np.array(
        [[level[pattern.name[0]], level[pattern.name[1]]], [level[pattern.name[2]], level[pattern.name[3]]]]
    )
    mosaic = np.tile(cell, (3, 4)).astype("u1")[:5, :7]
    shown = pictures.eight_bits(image_of(mosaic, ColourMode.BAYER, pattern=pattern))
    assert shown.shape == (5, 7, 3)
    assert np.unique(shown.reshape(-1, 3), axis=0).tolist() == [[200, 100, 50]]


def test_wide_pictures_are_scaled_down() -> None:
    image = image_of(np.zeros((300, 1001), "u1"))
    assert Image.open(io.BytesIO(pictures.preview(image, 500).content)).size == (500, 150)
    assert pictures.shown_size(image, 500) == (500, 150)
    assert pictures.shown_size(image, WIDEST) == (1002, 300), "video wants even sizes"
    for small, shown in (((30, 45), (180, 120)), ((1, 1), (150, 150)), ((700, 2), (2, 700))):
        assert pictures.shown_size(image_of(np.zeros(small, "u1")), WIDEST) == shown


def test_tall_pictures_are_scaled_down_to_what_files_can_hold() -> None:
    tall = image_of(np.zeros((70_000, 4), "u1"))
    assert Image.open(io.BytesIO(pictures.preview(tall, WIDEST).content)).size == (1, pictures.TALLEST_PX)
    width, height = size = pictures.shown_size(tall, WIDEST)
    assert size == (2, pictures.TALLEST_PX)
    assert len(pictures.video_frame(tall, size)) == width * height * 3
    assert read(pictures.still(tall)).shape == (70_000, 4)


@pytest.mark.parametrize("height", [1, 4, 46, 47, 48])
def test_the_time_covers_no_flat_picture(height: int) -> None:
    """Strips of spectrometers and line cameras."""
    strip = image_of(np.full((height, 400), 128, "u1"), time_ns=1_700_000_000_000_000_000)
    width, shown = size = pictures.shown_size(strip, WIDEST)
    frame = np.frombuffer(pictures.video_frame(strip, size), "u1").reshape(shown, width, 3)
    seen = height if height < 48 else 30
    assert (frame[:seen] == 128).all(), "the picture"
    assert (frame[seen:] > 200).any(), "the time"


def test_the_time_is_burnt_in_and_nothing_else_changes() -> None:
    grey = np.full((120, 320), 128, "u1")
    first, second = (
        np.frombuffer(pictures.video_frame(image_of(grey, time_ns=ns), (320, 120)), "u1").reshape(120, 320, 3)
        for ns in (1_700_000_000_000_000_000, 1_700_000_000_123_000_000)
    )
    assert (first[:100] == 128).all(), "the picture"
    stamped = first[100:] != 128
    assert stamped.any() and (first[100:] > 200).any(), "white letters on black"
    assert (first != second).any(), "another time looks different"


def test_another_shape_is_fitted_in() -> None:
    size = (320, 120)
    tall = image_of(np.full((400, 100), 200, "u1"), time_ns=1)
    frame = np.frombuffer(pictures.video_frame(tall, size), "u1").reshape(120, 320, 3)
    assert (frame[10, :25] > 190).all() and (frame[10, 40:] == 0).all()
