"""Frames as files: lossless stills, and pictures that people look at. All of it takes time: call it in a thread."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from backend.src.infra.epics.nd_array import BayerPattern, ColourMode, NDImage
from backend.src.services.cameras.tiff import tiff

JPEG_QUALITY = 85
TALLEST_PX = 16_384  # a JPEG ends at 65,500, films at 16,384
PNG, TIFF, JPEG = "image/png", "image/tiff", "image/jpeg"
NS = 1_000_000_000
STAMP_PART = 24  # of a picture's height; its letters are that high, if it is wide enough
SMALLEST_STAMP_PX = 10
STAMP_WIDTH_PX = 150  # of the smallest letters
STAMP_BAND_PX = 14  # that they need in height
LOW_PX = 48  # lower pictures have the time below them: it would cover them
TABLE_BYTES = 2

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file."""

    content: bytes
    media_type: str

    @property
    def suffix(self) -> str:
        """png, tiff or jpeg."""
        return self.media_type.partition("/")[2]


def still(image: NDImage) -> Encoded:
    """The pixels as the camera sent them, bit by bit: PNG where it can hold them, else TIFF.

    PNG: 8 and 16 bits without sign, and 8 bit RGB. A Bayer mosaic stays a mosaic.
    """
    pixels = image.pixels
    if pixels.dtype.kind == "u" and (pixels.dtype.itemsize == 1 or (pixels.dtype.itemsize == 2 and pixels.ndim == 2)):
        return Encoded(_file(Image.fromarray(np.ascontiguousarray(pixels)), "PNG", compress_level=1), PNG)
    return Encoded(tiff(pixels), TIFF)


def preview(image: NDImage, widest_px: int) -> Encoded:
    """A JPEG: scaled down, and of any depth but 8 bits stretched from darkest to brightest."""
    return Encoded(_file(_shown(image, widest_px), "JPEG", quality=JPEG_QUALITY), JPEG)


def shown_size(image: NDImage, widest_px: int) -> tuple[int, int]:
    """Width and height of a clip's pictures, even as video wants them; small ones are enlarged by a whole number."""
    size = _scaled_down(image.width, image.height, widest_px)
    width, height = (side * _enlarged(*size) for side in size)
    if height < LOW_PX:
        height += STAMP_BAND_PX
    return width + width % 2, height + height % 2


def video_frame(image: NDImage, size: tuple[int, int]) -> bytes:
    """RGB bytes of exactly this size with the frame's time burnt in; another shape is fitted in, with black around."""
    picture = _shown(image, size[0]).convert("RGB")
    picture = picture.resize([side * _enlarged(*picture.size) for side in picture.size], Image.Resampling.NEAREST)
    if picture.size != size:
        picture = _fitted(picture, size)
    _stamp(picture, _time_text(image.time_ns))
    return picture.tobytes()


def _enlarged(width: int, height: int) -> int:
    """So many times as large, so that the time burnt in has room."""
    return max(1, min(math.ceil(STAMP_WIDTH_PX / width), STAMP_WIDTH_PX * 4 // height))


def eight_bits(image: NDImage) -> Bytes:
    """[height, width] or [height, width, 3], Bayer as colours. Numbers that are none become black."""
    pixels = _without_mosaic(image.pixels, image.pattern) if image.mode is ColourMode.BAYER else image.pixels
    return pixels if pixels.dtype == np.uint8 else _stretched(pixels)


def _stretched(pixels: npt.NDArray[Any]) -> Bytes:
    if pixels.dtype.kind == "f" or pixels.dtype.itemsize > TABLE_BYTES:
        return _scaled(pixels.astype(np.float64))
    # every number there can be, once: ten times as fast as doing it for each pixel
    low, high = int(pixels.min()), int(pixels.max())
    table = _scaled(np.arange(low, high + 1, dtype=np.float64))
    stretched: Bytes = table[np.subtract(pixels, low, dtype=np.int32)]
    return stretched


def _scaled(values: npt.NDArray[np.float64]) -> Bytes:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = values[finite].min(), values[finite].max()
    # halves: the distance of two doubles may be more than a double holds
    span = high / 2 - low / 2
    if span <= 0:
        return np.zeros(values.shape, np.uint8)
    with np.errstate(invalid="ignore"):
        part = np.where(finite, (values / 2 - low / 2) / span, 0)
    return (part * 255).astype(np.uint8)


def _without_mosaic(pixels: npt.NDArray[Any], pattern: BayerPattern) -> npt.NDArray[Any]:
    """Each cell of two by two becomes four pixels of its colour: enough to look at."""
    odd = [(0, size % 2) for size in pixels.shape]
    # an odd edge repeats the row before the last, which has the colours that are missing
    padded = np.pad(pixels, odd, mode="reflect" if min(pixels.shape) > 1 else "edge")
    corners = dict(zip(((0, 0), (0, 1), (1, 0), (1, 1)), pattern.name, strict=True))
    of = {colour: [padded[row::2, column::2] for (row, column), name in corners.items() if name == colour]
          for colour in "RGB"}  # fmt: skip
    green = of["G"][0] / 2 + of["G"][1] / 2
    cells = np.stack([of["R"][0], green.astype(pixels.dtype), of["B"][0]], axis=2)
    return cells.repeat(2, axis=0).repeat(2, axis=1)[: pixels.shape[0], : pixels.shape[1]]


def _shown(image: NDImage, widest_px: int) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(eight_bits(image)))
    size = _scaled_down(*picture.size, widest_px)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _scaled_down(width: int, height: int, widest_px: int) -> tuple[int, int]:
    scale = min(1.0, widest_px / width, TALLEST_PX / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    scale = min(size[0] / picture.width, size[1] / picture.height)
    canvas = Image.new("RGB", size)
    if scale < 1:
        fitting = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
        picture = picture.resize(fitting, Image.Resampling.BILINEAR)
    canvas.paste(picture, (0, 0))
    return canvas


def _stamp(picture: Image.Image, text: str) -> None:
    """In the lower left corner, white on black: to be read on any picture. The letters come with Pillow."""
    fitting = min(picture.height // STAMP_PART, picture.width * SMALLEST_STAMP_PX // STAMP_WIDTH_PX)
    font = ImageFont.load_default(max(SMALLEST_STAMP_PX, fitting))
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    at = (2, picture.height - (bottom - top) - 4)
    draw.rectangle((0, at[1] - 2, right - left + 4, picture.height), fill=0)
    draw.text((at[0] - left, at[1] - top), text, font=font, fill=(255, 255, 255))


def _time_text(time_ns: int) -> str:
    if time_ns <= 0:
        return "no time"
    return f"{datetime.fromtimestamp(time_ns // NS, UTC):%Y-%m-%d %H:%M:%S}.{time_ns % NS // 1_000_000:03d} UTC"


def _file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
