"""Exit code 0 when the server in this container answers /health/live, 1 otherwise.

The image has no curl, and needs none.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

TIMEOUT_S = 2.0


def alive(port: int) -> bool:
    """Whether 127.0.0.1:port answers /health/live with 200."""
    connection = _connection(port)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(port: int) -> http.client.HTTPConnection:
    if not os.environ.get("TLS_CERTIFICATE"):
        return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    # it is this container's own, and 127.0.0.1 is no name in it
    context = ssl._create_unverified_context()
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=context)


if __name__ == "__main__":
    sys.exit(0 if alive(int(os.environ.get("PORT") or 5000)) else 1)
