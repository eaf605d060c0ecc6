"""Which process runs a job, and whether that process can still be alive."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

_NAMESPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Host, PID namespace (containers on a shared network share the host's name), PID, and a number of its own."""

    host: str
    namespace: str
    pid: int
    number: str

    @classmethod
    def own(cls) -> WorkerIdentity:
        """A new worker in this process."""
        host = socket.gethostname().replace("/", "_")[:100]
        return cls(host, _namespace(), os.getpid(), secrets.token_hex(4))

    def __str__(self) -> str:
        return f"{self.host}/{self.namespace}/{self.pid}/{self.number}"

    def knows_dead(self, worker: str) -> bool:
        """True when `worker` names a process of this host that is gone; False when it lives or nobody can tell."""
        try:
            host, namespace, pid, _number = worker.split("/")
            if not namespace or (host, namespace) != (self.host, self.namespace):
                return False
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except (ValueError, OSError):
            return False
        return False


def _namespace() -> str:
    try:
        return str(_NAMESPACE.stat().st_ino)
    except OSError:
        return ""
