"""The line between a kernel and the server: open while the kernel lives, so the server knows when its last one is gone.

One JSON line goes each way. ``hold`` keeps the connection open and counts as a client; ``status`` and ``stop`` are
answered and closed. The operating system closes the line of a killed process; nothing has to be cleaned up.
"""

from __future__ import annotations

import json
import socket
from typing import Any, Literal

from rlm_kernel.models.local.state import State

Wish = Literal["hold", "status", "stop"]

LINE_LIMIT = 4_096
_SECONDS = 5.0


class Lease:
    """One open line to a server."""

    def __init__(self, line: socket.socket, state: State) -> None:
        self._line = line
        self.state = state

    def is_open(self) -> bool:
        """Whether the server is still at the other end."""
        try:
            return self._line.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Give it up. The server counts one client less."""
        self._line.close()


def hold(state: State) -> Lease | None:
    """Become a client of the server; None if it is not there or about to go."""
    line = _open(state, "hold")
    if line is None:
        return None
    if _answer(line, state) is None:
        line.close()
        return None
    line.setblocking(False)
    return Lease(line, state)


def ask(state: State, wish: Wish) -> dict[str, Any] | None:
    """Ask the server something in passing; None if it is not there."""
    line = _open(state, wish)
    if line is None:
        return None
    with line:
        return _answer(line, state)


def _open(state: State, wish: Wish) -> socket.socket | None:
    try:
        line = socket.create_connection(("127.0.0.1", state.lease_port), timeout=_SECONDS)
        line.sendall(json.dumps({"key": state.api_key, "wish": wish}).encode() + b"\n")
    except OSError:
        return None
    return line


def _answer(line: socket.socket, state: State) -> dict[str, Any] | None:
    """The server's answer, if it is indeed the process that the state names."""
    received = b""
    try:
        while not received.endswith(b"\n") and len(received) < LINE_LIMIT:
            if not (block := line.recv(LINE_LIMIT)):
                return None
            received += block
        answer = json.loads(received)
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) and answer.get("pid") == state.pid else None
