"""Starts the mock server and talks to it. Standard library only: the reference's environment uses it too."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent.parent


class Server:
    """A running mock, seen from a process that uses it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def configure(self, **script: Any) -> None:
        """Set what it answers, and zero its counts."""
        self._call("/configure", script)

    def counts(self) -> dict[str, Any]:
        """What it has seen since it was configured."""
        return self._call("/counts", {})

    def _call(self, path: str, data: object) -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, data=json.dumps(data).encode())
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """The mock in a process of its own, ended with the block."""
    command = [sys.executable, "-m", "speed.server"]
    with subprocess.Popen(command, cwd=BENCHMARKS, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process.stdout.readline().strip())
        finally:
            process.terminate()
