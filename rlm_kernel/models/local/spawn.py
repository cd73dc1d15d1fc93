"""Starting a server process of its own, apart from the notebook's interrupts and its end."""

from __future__ import annotations

import secrets
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from rlm_kernel.models.local.state import BUSY, LOG, Order, Settings
from rlm_kernel.models.local.table import QWEN, Weights

_LONGEST_REASON = 300
_WINDOWS_FLAGS = 0
if sys.platform == "win32":
    # There a group of its own, not a session, keeps the notebook's interrupts away; and no console pops up.
    _WINDOWS_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW


class Spawned:
    """A server process that this process started; it may outlive it."""

    def __init__(self, model: Path, directory: Path, settings: Settings, weights: Weights = QWEN) -> None:
        """Start the process and hand it its order.

        Args:
            model: the weights to load.
            directory: where it records itself.
            settings: how it serves.
            weights: the bundled weights; another file goes by its own name.
        """
        self.log = directory / LOG
        order = Order(
            model=str(model),
            name=weights.model if model.name == weights.file else model.stem,
            directory=str(directory),
            api_key=secrets.token_urlsafe(32),
            settings=settings,
        )
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter, on a file of this package
            [sys.executable, "-P", str(Path(__file__).with_name("serve.py")), *_roots()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
            creationflags=_WINDOWS_FLAGS,
        )
        assert self._process.stdin
        # If it died at once there is nobody to write to; `reason` tells why.
        with suppress(OSError), self._process.stdin as order_line:
            order_line.write(order.to_json().encode())

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def ended(self) -> bool:
        """Whether the process is gone. Asking removes it from the process table."""
        return self._process.poll() is not None

    def found_another(self) -> bool:
        """Whether it ended because another server is there, or was stopped in good order."""
        return self._process.returncode in {0, BUSY}

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def reason(self) -> str:
        """Why it ended, in one line: its last words, else its exit status."""
        assert self._process.stdout
        said = self._process.stdout.read().decode(errors="replace").split("\n")
        with suppress(OSError):
            said = [*self.log.read_text(encoding="utf-8", errors="replace").split("\n"), *said]
        words = [line.strip() for line in said if line.strip()]
        code = self._process.returncode
        status = f"signal {-code}" if code < 0 else f"exit status {code}"
        return f"{words[-1][:_LONGEST_REASON]} ({status})" if words else status


def _roots() -> list[str]:
    """Where the child finds this package and the engine, put behind everything that it finds by itself."""
    specs = [find_spec(name) for name in ("xllamacpp", "filelock", "psutil")]
    roots = [Path(spec.origin).resolve().parents[1] for spec in specs if spec and spec.origin]
    return list(dict.fromkeys(map(str, [Path(__file__).resolve().parents[3], *roots])))
