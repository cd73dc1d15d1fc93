"""The shared server as a kernel sees it: found, started, held, asked, stopped."""

from __future__ import annotations

import importlib.util
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from rlm_kernel.errors import LocalModelError
from rlm_kernel.models.local import lease, places, processes, weights
from rlm_kernel.models.local.assembly import REMEDY
from rlm_kernel.models.local.lease import Lease
from rlm_kernel.models.local.progress import Progress
from rlm_kernel.models.local.spawn import Spawned
from rlm_kernel.models.local.state import PROTOCOL, Settings, State
from rlm_kernel.models.local.weights import WeightsState

_START_SECONDS = 180.0
_STOP_SECONDS = 5.0
_HEALTH_SECONDS = 10.0
_LOOK = 0.05
_LIBRARIES = ("xllamacpp", "filelock", "psutil")


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A server that answers as long as this process lives."""

    base_url: str
    """For an OpenAI-compatible client; ends in ``/v1``."""
    api_key: str = field(repr=False)
    """Goes into each request."""
    model: str
    """The model's name in requests."""
    pid: int
    """The server's process."""
    slots: int
    """Calls that it works on at once; further ones wait."""
    context: int
    """Tokens of prompt and reply together that one call may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The local model at a glance."""

    installed: bool
    """The libraries of the extra are there."""
    weights: WeightsState
    """What lies on the disk."""
    running: bool
    """A server answers."""
    pid: int | None = None
    """Its process."""
    port: int | None = None
    """Where it answers, on loopback."""
    clients: int = 0
    """Processes that hold it."""
    slots: int | None = None
    """Calls that it works on at once."""
    context: int | None = None
    """Tokens for each of them."""
    rss: int | None = None
    """Bytes of memory that it holds."""


def installed() -> bool:
    """Whether the libraries of the extra are there. Imports none of them."""
    return all(importlib.util.find_spec(name) for name in _LIBRARIES)


class SharedServer:
    """This process's hold on the one server. Threads may share it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._lease: Lease | None = None
        self._directory: Path | None = None
        self._spawned: list[Spawned] = []

    def ensure(self, progress: Progress, settings: Settings | None = None) -> Endpoint:
        """Hold the server that runs, or a new one.

        An interrupt is safe at any moment: a server that was being started is found by the next call, or ends by
        itself.
        """
        with self._guard:
            directory = places.running_dir(weights.target(), PROTOCOL)
            if not (self._lease and self._lease.is_open() and self._directory == directory):
                self._let_go()
                self._lease = _attach(directory) or self._start(directory, progress, settings or Settings())
                self._directory = directory
            state = self._lease.state
            if settings and (state.slots, state.context) != (settings.slots, settings.context):
                raise LocalModelError(
                    f"the local model runs with {state.slots} slots of {state.context:,} tokens; "
                    "to change that for all kernels run %rlm local stop first"
                )
            return _endpoint(state)

    def status(self) -> Status:
        """Look, and change nothing."""
        on_disk = weights.inspect()
        state = State.load(places.running_dir(weights.target(), PROTOCOL))
        answer = lease.ask(state, "status") if state else None
        if not state or not answer:
            return Status(installed=installed(), weights=on_disk, running=False)
        return Status(
            installed=installed(),
            weights=on_disk,
            running=True,
            pid=state.pid,
            port=state.port,
            clients=int(answer["clients"]),
            slots=state.slots,
            context=state.context,
            rss=processes.resident_bytes(state.pid),
        )

    def stop(self) -> bool:
        """End the server for all its clients. False if none ran."""
        with self._guard:
            self._let_go()
            directory = places.running_dir(weights.target(), PROTOCOL)
            if (state := State.load(directory)) is None:
                return False
            ran = _end(state)
            if State.load(directory) == state:
                State.path(directory).unlink(missing_ok=True)
            self._reap()
            return ran

    def release(self) -> None:
        """Be no client any longer. The server ends when it has none."""
        with self._guard:
            self._let_go()

    def forget(self) -> None:
        """In a forked child: the lease is the parent's. Close the copy, or the server outlives the parent."""
        self._guard = threading.Lock()
        self._spawned = []
        self._let_go()

    def _let_go(self) -> None:
        if self._lease:
            self._lease.close()
            self._lease = None

    def _start(self, directory: Path, progress: Progress, settings: Settings) -> Lease:
        if not installed():
            raise LocalModelError(f"the local model is not installed; run: {REMEDY}")
        model = weights.ensure(progress=progress)
        places.make_private_dir(directory)
        deadline = time.monotonic() + _START_SECONDS
        child = self._spawn(model, directory, settings)
        size, loaded = model.stat().st_size, 0.0
        while time.monotonic() < deadline:
            if held := _attach(directory):
                return held
            # What it has in memory tells how far it is: the engine says nothing before it is done.
            loaded = max(loaded, min(0.99, (processes.resident_bytes(child.pid) or 0) / size))
            progress("loading the model", loaded)
            if child.ended():
                # Busy: another kernel's server is loading or leaving. Try until one of the two is done.
                if not child.found_another():
                    raise LocalModelError(f"the local model did not start: {child.reason()}; see {child.log}")
                child = self._spawn(model, directory, settings)
            time.sleep(_LOOK)
        child.kill()
        raise LocalModelError(
            f"no server of the local model answered within {_START_SECONDS:.0f} seconds; "
            f"run %rlm local stop and try again, or see {child.log}"
        )

    def _spawn(self, model: Path, directory: Path, settings: Settings) -> Spawned:
        self._reap()
        child = Spawned(model, directory, settings)
        self._spawned.append(child)
        return child

    def _reap(self) -> None:
        """Forget children that ended; asking after one is what removes it from the process table."""
        self._spawned = [child for child in self._spawned if not child.ended()]


def _attach(directory: Path) -> Lease | None:
    """Hold the server that recorded itself in `directory`; None if it is gone."""
    state = State.load(directory)
    held = lease.hold(state) if state else None
    if state and held and not _healthy(state):
        held.close()
        raise LocalModelError(
            f"the local model's server (process {state.pid}) runs but does not answer; run: %rlm local stop"
        )
    return held


def _healthy(state: State) -> bool:
    """Whether a request with the key is answered, asked without any proxy."""
    import urllib.request

    request = urllib.request.Request(  # noqa: S310  # the address is ours, on loopback
        f"{_base_url(state)}/models", headers={"Authorization": f"Bearer {state.api_key}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_HEALTH_SECONDS) as response:
            return bool(response.status == 200)  # noqa: PLR2004
    except OSError:
        return False


def _base_url(state: State) -> str:
    return f"http://127.0.0.1:{state.port}/v1"


def _endpoint(state: State) -> Endpoint:
    return Endpoint(
        base_url=_base_url(state),
        api_key=state.api_key,
        model=state.name,
        pid=state.pid,
        slots=state.slots,
        context=state.context,
    )


def _end(state: State) -> bool:
    """Ask the server to end, then insist. A process that only bears its number is left alone."""
    asked = lease.ask(state, "stop") is not None
    if not processes.is_same(state.pid, state.created):
        return asked
    if not (asked and _gone(state)):
        processes.end(state.pid, gently=True)
        if not _gone(state):
            processes.end(state.pid, gently=False)
            _gone(state)
    return True


def _gone(state: State) -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while processes.is_same(state.pid, state.created):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK)
    return True
