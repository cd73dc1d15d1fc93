"""The bundled local model: a 1.5-billion-parameter coder on llama.cpp, shared by all kernels of a user.

`ensure` gives an endpoint that answers: it puts the weights together where that was not done yet, and finds or starts
the one server. The server ends by itself when the last process that called `ensure` is gone.
"""

from __future__ import annotations

import os

from rlm_kernel.models.local.progress import Progress, show_nothing
from rlm_kernel.models.local.server import Endpoint, SharedServer, Status, installed
from rlm_kernel.models.local.state import Settings
from rlm_kernel.models.local.weights import WeightsState, inspect

__all__ = [
    "Endpoint",
    "Progress",
    "Settings",
    "Status",
    "WeightsState",
    "available",
    "ensure",
    "start",
    "status",
    "stop",
]

_server = SharedServer()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_server.forget)


def available() -> bool:
    """Whether `ensure` can be expected to work without a network. Cheap; imports and hashes nothing."""
    return installed() and inspect().kind != "missing"


def ensure(progress: Progress = show_nothing) -> Endpoint:
    """Have the local model answer, and keep it as long as this process lives.

    Quick when it already does. May be called again at any time: a server that died is started anew.

    Args:
        progress: told what goes on, in a few words, and how much is done where that is known.

    Raises:
        LocalModelError: something is missing or broken; the message names the way out.
    """
    return _server.ensure(progress)


def start(settings: Settings | None = None, progress: Progress = show_nothing) -> Endpoint:
    """As `ensure`, with settings of one's own. One server serves all kernels, so a running one must have the same.

    Raises:
        LocalModelError: as for `ensure`, or a server runs with other settings.
    """
    return _server.ensure(progress, settings)


def status() -> Status:
    """What is on the disk and whether a server runs. Changes nothing."""
    return _server.status()


def stop() -> bool:
    """End the server for all kernels. False if none ran."""
    return _server.stop()
