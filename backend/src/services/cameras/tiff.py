"""TIFF for what PNG cannot hold: signed, 32 and 64 bit integers, floats, and three colours of 16 bits.

One image, one strip, deflated (TIFF 6.0; compression 8 and the sample formats are those of Adobe's technical notes).
Written here because no library that is needed anyway writes them all without changing the numbers.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

FASTEST = 1
HEADER_BYTES = 8
SHORT, LONG = 3, 4
DEFLATE = 8
GREY, RGB = 1, 2
_SAMPLE_FORMAT = {"u": 1, "i": 2, "f": 3}


def tiff(pixels: npt.NDArray[Any]) -> bytes:
    """A file of [height, width] or [height, width, 3] numbers, the same when read back, bit by bit."""
    height, width, *colours = pixels.shape
    samples = colours[0] if colours else 1
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    strip = zlib.compress(little.tobytes(), FASTEST)
    strip += b"\0" * (len(strip) % 2)  # what follows begins at a word
    bits, formats = [pixels.dtype.itemsize * 8] * samples, [_SAMPLE_FORMAT[pixels.dtype.kind]] * samples
    entries: list[tuple[int, int, list[int]]] = [
        (256, LONG, [width]), (257, LONG, [height]), (258, SHORT, bits), (259, SHORT, [DEFLATE]),
        (262, SHORT, [RGB if samples > 1 else GREY]), (273, LONG, [HEADER_BYTES]), (277, SHORT, [samples]),
        (278, LONG, [height]), (279, LONG, [len(strip)]), (284, SHORT, [1]), (339, SHORT, formats),
    ]  # fmt: skip
    directory_at = HEADER_BYTES + len(strip)
    return struct.pack("<2sHI", b"II", 42, directory_at) + strip + _directory(entries, directory_at)


def _directory(entries: list[tuple[int, int, list[int]]], at: int) -> bytes:
    """The table of tags, then the values that do not fit into it."""
    beside = b""
    beside_at = at + 2 + 12 * len(entries) + 4
    table = struct.pack("<H", len(entries))
    for tag, kind, values in entries:
        packed = struct.pack(f"<{len(values)}{'H' if kind == SHORT else 'I'}", *values)
        if len(packed) > 4:
            packed, beside = struct.pack("<I", beside_at + len(beside)), beside + packed
        table += struct.pack("<HHI4s", tag, kind, len(values), packed)
    return table + struct.pack("<I", 0) + beside
