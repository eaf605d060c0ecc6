"""One process of ffmpeg or ffprobe: fed, limited in time, and gone when this returns or is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from backend.src.core.errors import LarderError, TimedOut

TAIL_LINES = 8
LONGEST_LINE = 500
MOST_OUTPUT = 4_194_304  # what it prints for us to read: tables and JSON


class ProgramFailed(LarderError):
    """It ended with an exit code other than 0, or could not begin; the message holds the end of what it wrote."""


class Run:
    """One process, from its start to its end."""

    def __init__(self, program: Path, arguments: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        self._program = program
        self._arguments = arguments
        self._descriptors = tuple(descriptors)
        self._process: Process | None = None
        self._unwanted = False

    async def run(self, feed: AsyncIterator[bytes] | None, timeout_s: float) -> bytes:
        """What it printed. Raises ProgramFailed and TimedOut; what `feed` raises ends the process and comes out."""
        process = self._process = await self._start(fed=feed is not None)
        try:
            if self._unwanted:
                self.kill()
            async with asyncio.timeout(timeout_s):
                return await self._follow(process, feed)
        except TimeoutError as exc:
            raise TimedOut(f"{self._program.name} did not end within {timeout_s:g} s") from exc
        finally:
            await self._end(process)

    def kill(self) -> None:
        """Ends it at once, or as soon as it has begun."""
        self._unwanted = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _start(self, *, fed: bool) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                self._program, *self._arguments,
                stdin=PIPE if fed else DEVNULL, stdout=PIPE, stderr=PIPE, pass_fds=self._descriptors,
                start_new_session=True,  # some installations wrap it in a script: then the whole group must end
            )  # fmt: skip
        except OSError as exc:
            raise ProgramFailed(f"{self._program} cannot be started: {exc.strerror}") from exc

    async def _follow(self, process: Process, feed: AsyncIterator[bytes] | None) -> bytes:
        assert process.stdout is not None and process.stderr is not None
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_keep_tail(process.stderr, tail))
                printed = group.create_task(_read(process.stdout))
                if feed is not None:
                    group.create_task(_feed(process, feed))
        except ExceptionGroup as errors:  # the feed's own: it comes out as it is
            raise errors.exceptions[0] from None
        if await process.wait():
            why = " | ".join(tail) or "it said nothing"
            raise ProgramFailed(f"{self._program.name} failed with exit code {process.returncode}: {why}")
        return printed.result()

    async def _end(self, process: Process) -> None:
        self.kill()
        # shielded: a cancelled job must not leave a process that nobody has waited for
        await asyncio.shield(process.wait())


async def _feed(process: Process, feed: AsyncIterator[bytes]) -> None:
    assert process.stdin is not None
    try:
        async for chunk in feed:
            process.stdin.write(chunk)
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # it ended by itself: its exit code and its last words tell why
    finally:
        process.stdin.close()


async def _keep_tail(stream: asyncio.StreamReader, tail: deque[str]) -> None:
    async for line in _lines(stream):
        if line:
            tail.append(line)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """However long a line is: StreamReader's own reading of lines gives up on long ones."""
    rest = ""
    while chunk := await stream.read(65_536):
        *lines, rest = (rest + chunk.decode(errors="replace")).replace("\r", "\n").split("\n")
        for line in lines:
            yield line.strip()[:LONGEST_LINE]
        rest = rest[:LONGEST_LINE]
    yield rest.strip()


async def _read(stream: asyncio.StreamReader) -> bytes:
    kept = bytearray()
    while chunk := await stream.read(65_536):
        kept += chunk[: MOST_OUTPUT - len(kept)]
    return bytes(kept)
