"""Reads a Dockerfile and does what it says in a folder that stands for the file system of the image.

The paths that it creates (/opt, /build, /app, /data) are put under that folder; everything else is this machine's.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

OURS = ("/opt/", "/build", "/app", "/data")
_ours = re.compile(r"(?<![\w./])(/opt/|/build\b|/app\b|/data\b)")
_continued = re.compile(r"\\\n(?:\s*#.*\n)*")
_variable = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of a Dockerfile, such as RUN and what follows it."""

    word: str
    rest: str


@dataclass(slots=True)
class Stage:
    """What the next instruction finds; cwd as the image has it."""

    name: str
    cwd: str = "/"
    environment: dict[str, str] = field(default_factory=dict)


def instructions(text: str) -> Iterator[Instruction]:
    """In order; comments and line ends within an instruction removed."""
    lines = _continued.sub(" ", "\n".join(line for line in text.split("\n") if not line.startswith("#")))
    for line in filter(None, map(str.strip, lines.split("\n"))):
        word, _, rest = line.partition(" ")
        yield Instruction(word, " ".join(rest.split()))


def exec_form(text: str) -> list[str]:
    """The words of ENTRYPOINT, CMD or a health check's CMD."""
    words: list[str] = json.loads(text)
    return words


class Image:
    """What a build makes. `replace` may do a RUN in its own way: it gets the command and says whether it did."""

    def __init__(self, root: Path, context: Path, replace: Callable[[str], bool] = lambda command: False) -> None:
        self.root = root
        self.context = context
        self.stage = Stage("")
        self.started: dict[str, str] = {}  # ENTRYPOINT, CMD, USER, STOPSIGNAL, HEALTHCHECK of the last stage
        self._replace = replace

    def build(self, dockerfile: Path, environment: Mapping[str, str]) -> None:
        """Every instruction. Raises AssertionError, with its output, when a command fails."""
        for path in ("opt", "build", "app", "data"):
            (self.root / path).mkdir(exist_ok=True)
        for instruction in instructions(dockerfile.read_text()):
            self._do(instruction, environment)

    def place(self, text: str) -> str:
        """`text` with the image's paths as this machine has them."""
        return _ours.sub(lambda found: f"{self.root}{found[1]}", text)

    def _do(self, instruction: Instruction, environment: Mapping[str, str]) -> None:
        rest = instruction.rest
        match instruction.word:
            case "FROM":
                self.stage, self.started = Stage(rest), {}
            case "WORKDIR":
                self.stage.cwd = rest
                Path(self.place(rest)).mkdir(exist_ok=True)
            case "ENV":
                self._set(rest, environment)
            case "COPY":
                self._copy(rest.split())
            case "RUN":
                self._run(rest, {**environment, **self.stage.environment})
            case "ENTRYPOINT" | "CMD" | "USER" | "STOPSIGNAL" | "HEALTHCHECK":
                self.started[instruction.word] = rest
            case "ARG" | "LABEL" | "VOLUME" | "EXPOSE":
                pass
            case other:
                raise AssertionError(f"the test does not know {other}")

    def _set(self, rest: str, environment: Mapping[str, str]) -> None:
        known = {**environment, **self.stage.environment}
        for word in rest.split():
            name, _, value = word.partition("=")
            value = _variable.sub(lambda found: known.get(found[1], ""), value)
            self.stage.environment[name] = self.place(value)

    def _copy(self, words: list[str]) -> None:
        *sources, target = (word for word in words if not word.startswith("--"))
        from_image = any(word.startswith("--from=") for word in words)
        for source in sources:
            origin = Path(self.place(source)) if from_image else self.context / source
            place = Path(self.place(str(PurePosixPath(self.stage.cwd) / target)))
            into = target.endswith(("/", ".")) or len(sources) > 1
            _copied(origin, place / origin.name if into else place)

    def _run(self, command: str, environment: Mapping[str, str]) -> None:
        if self._replace(command):
            return
        done = subprocess.run(
            ["/bin/sh", "-ec", self.place(command)],
            cwd=self.place(self.stage.cwd), env=dict(environment), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def _copied(origin: Path, place: Path) -> None:
    if origin.resolve() == place.resolve():  # from one stage to the next, at the same path
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_dir():
        shutil.copytree(origin, place, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(origin, place)
