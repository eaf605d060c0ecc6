"""ffmpeg and ffprobe: found, described, run within limits."""

from backend.src.infra.fffamily.fffamily import FFFamily
from backend.src.infra.fffamily.running import ProgramFailed
from backend.src.infra.fffamily.tools import Tool

__all__ = ["FFFamily", "ProgramFailed", "Tool"]
