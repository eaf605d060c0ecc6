"""Many channels' entries as JSON, a block at a time, so that other requests run in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from backend.src.infra.epics.frame import Flag, Frame
from backend.src.services.live.table import Mask
from backend.src.web.epics_json import entries

BLOCK = 2_000  # about five milliseconds of the event loop


async def entries_json(names: Sequence[str], frame: Frame, stale: Mask) -> bytes:
    """{name: Entry} as JSON; names, frame and stale are aligned."""
    blocks = []
    for start in range(0, len(names), BLOCK):
        part = slice(start, start + BLOCK)
        block = dict(zip(names[part], entries(_part(frame, part), stale[part]), strict=True))
        blocks.append(orjson.dumps(block)[1:-1])
        await asyncio.sleep(0)
    return b"{" + b",".join(blocks) + b"}"


def with_entries(message: Mapping[str, Any], key: str, encoded: bytes) -> bytes:
    """The message as JSON, with the encoded entries under `key`."""
    head = orjson.dumps(message)[:-1]
    return b"".join((head, b"," if message else b"", orjson.dumps(key), b":", encoded, b"}"))


def _part(frame: Frame, part: slice) -> Frame:
    rows = frame.rows[part]
    held = np.flatnonzero(rows["flags"] & Flag.OBJECT).tolist()
    objects = {row: frame.objects[row + part.start] for row in held if row + part.start in frame.objects}
    return Frame(rows, frame.meta[part], objects, frame.interned)
