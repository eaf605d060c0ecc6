"""FFFamily: ffmpeg, and ffprobe where there is one."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from backend.src.config.settings import CameraSettings
from backend.src.core.errors import LarderError, TimedOut, Unavailable
from backend.src.core.final_singleton import FinalSingleton
from backend.src.infra.fffamily.running import ProgramFailed, Run
from backend.src.infra.fffamily.tools import Origin, Tool, find_ffmpeg, find_ffprobe, read_encoders, read_version

log = logging.getLogger(__name__)

ASK_TIMEOUT_S = 10.0
WAIT_FOR_TURN_S = 30.0
ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "mpeg4")
"""For clips, the best first: H.264 plays everywhere, MPEG-4 part 2 is in every ffmpeg."""


class FFFamily(metaclass=FinalSingleton):
    """At most `settings.processes` run at once; the rest wait their turn. Without ffmpeg, `trouble` says why."""

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(settings.processes)
        self._runs: set[Run] = set()
        self.ffmpeg: Tool | None = None
        self.ffprobe: Tool | None = None
        self.trouble: Unavailable | None = None

    async def start(self) -> None:
        """Finds both and asks them what they can. One that is missing stops nobody: `ping` tells of it."""
        self.trouble = None
        if not self._settings.pvs:  # nobody has a camera, so nobody makes clips
            return
        try:
            self.ffmpeg = await self._asked(*find_ffmpeg(self._settings.ffmpeg))
            self.ffprobe = await self._probe(self.ffmpeg)
            self.encoder()
        except Unavailable as trouble:
            self.trouble = trouble
            log.warning("%s -> %s", trouble.message, trouble.remedy)

    async def _probe(self, ffmpeg: Tool) -> Tool | None:
        try:
            found = find_ffprobe(self._settings.ffprobe, ffmpeg.path)
            return await self._asked(*found) if found else None
        except Unavailable as trouble:
            log.warning("%s: ffmpeg does what it would do", trouble.message)
            return None

    async def stop(self) -> None:
        """Ends every process that still runs."""
        for run in tuple(self._runs):
            run.kill()

    async def ping(self) -> None:
        """Raises Unavailable, with the cause, when no clips can be made."""
        if self.trouble is not None:
            raise self.trouble

    @property
    def detail(self) -> str:
        """For health: what was found."""
        shown = (f"{name} {tool.version} ({tool.origin})" if tool else f"no {name}" for name, tool in self._named())
        return ", ".join(shown)

    def _named(self) -> tuple[tuple[str, Tool | None], ...]:
        return ("ffmpeg", self.ffmpeg), ("ffprobe", self.ffprobe)

    def encoder(self) -> str:
        """The encoder that clips are made with. Raises Unavailable."""
        for name in ENCODERS:
            if self.ffmpeg is not None and name in self.ffmpeg.encoders:
                return name
        raise self.trouble or Unavailable(
            f"this ffmpeg has none of the encoders {', '.join(ENCODERS)}", remedy="install one that has libx264"
        )

    async def encode(
        self, arguments: Sequence[str], feed: AsyncIterator[bytes], *, timeout_s: float, descriptor: int
    ) -> int:
        """Runs ffmpeg on what `feed` yields; it inherits `descriptor`, to write to as /dev/fd/N.

        Returns how many pictures the film has, read from the film itself. Raises Unavailable, ProgramFailed, TimedOut;
        what `feed` raises ends the process and comes out.
        """
        quiet = ("-hide_banner", "-loglevel", "warning", *arguments)
        async with self._turn():
            await self._run(self._present().path, quiet, feed, timeout_s, descriptor)
            os.lseek(descriptor, 0, os.SEEK_SET)  # macOS: who opens /dev/fd/N goes on where the other one stopped
            return await self._count_pictures(descriptor)

    async def _count_pictures(self, descriptor: int) -> int:
        source = device(descriptor)
        if self.ffprobe is not None:
            asked = ("-v", "error", "-count_packets", "-of", "json", "-select_streams", "v:0")
            shown = ("-show_entries", "stream=nb_read_packets", source)
            answer = await self._run(self.ffprobe.path, (*asked, *shown), None, ASK_TIMEOUT_S, descriptor)
            return _from_ffprobe(answer)
        copied = ("-v", "error", "-i", source, "-map", "0:v:0", "-c", "copy", "-f", "null", "-progress", "-", "-")
        return _from_progress(await self._run(self._present().path, copied, None, ASK_TIMEOUT_S, descriptor))

    def _present(self) -> Tool:
        if self.ffmpeg is None:
            raise self.trouble or Unavailable("ffmpeg is not started")
        return self.ffmpeg

    async def _asked(self, path: Path, origin: Origin) -> Tool:
        try:
            banner = await self._run(path, ("-version",), None, ASK_TIMEOUT_S)
            listed = await self._run(path, ("-hide_banner", "-encoders"), None, ASK_TIMEOUT_S)
        except (ProgramFailed, TimedOut) as exc:
            raise Unavailable(f"{path} does not work: {exc.message}", remedy="install another ffmpeg") from exc
        version = read_version(banner.decode(errors="replace"))
        if not version:
            raise Unavailable(f"{path} does not name its version: it is no ffmpeg", remedy="correct FFMPEG_PATH")
        return Tool(path, origin, version, read_encoders(listed.decode(errors="replace")))

    async def _run(
        self,
        program: Path,
        arguments: Sequence[str],
        feed: AsyncIterator[bytes] | None,
        timeout_s: float,
        *descriptors: int,
    ) -> bytes:
        run = Run(program, arguments, descriptors)
        self._runs.add(run)
        try:
            return await run.run(feed, timeout_s)
        finally:
            self._runs.discard(run)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(WAIT_FOR_TURN_S):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise TimedOut(
                f"{self._settings.processes} ffmpeg processes are running, and none ended in {WAIT_FOR_TURN_S:g} s",
                remedy="wait for other clips to end, or raise cameras.processes",
            ) from exc
        try:
            yield
        finally:
            self._turns.release()


def device(descriptor: int) -> str:
    """The name under which a process that inherited a descriptor opens it."""
    return f"/dev/fd/{descriptor}"


def _from_ffprobe(answer: bytes) -> int:
    try:
        return int(json.loads(answer)["streams"][0]["nb_read_packets"])
    except (LookupError, TypeError, ValueError) as exc:
        raise LarderError(f"ffprobe answers what nobody understands: {answer[:200]!r}") from exc


def _from_progress(answer: bytes) -> int:
    """Of the blocks of `-progress`, the last."""
    counts = re.findall(rb"^frame=\s*(\d+)", answer, re.MULTILINE)
    if not counts:
        raise LarderError(f"ffmpeg answers what nobody understands: {answer[:200]!r}")
    return int(counts[-1])
