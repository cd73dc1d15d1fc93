"""The control plane: messages of our own widget reach Python while a cell is running.

A kernel handles what the front end sends one message after the other, so a click made while a cell runs is handled when
the cell has ended. A plane puts a tap in front of what the kernel does with its shell channel. It takes the custom
messages of the comms that it watches and lets all others pass, as they are and in their order.

Who reads the channel differs. Where a thread of the kernel does (ipykernel 7), the tap sits in that thread and works at
any time. Where the main thread does (ipykernel 6), it reads nothing while it runs a cell, so whoever waits there calls
`Plane.pump` again and again. See docs/architecture.md for what is private here and what happens where it is missing.
"""

from __future__ import annotations

import hmac
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

OnMessage = Callable[[dict[str, Any], list[memoryview]], None]
"""Told the data of a comm message and its buffers, in whatever thread received it: it only sets flags or queues."""
Layer = Literal["channel thread", "pump"]

_POLLIN: Final = 1
"""ZeroMQ's flag; its library is not imported here, because a script needs none of it."""
_PATIENCE: Final = 1.0
"""Seconds to wait at most for the kernel's thread when the tap is put in and taken out."""

logger = logging.getLogger(__name__)


class Plane:
    """Hands over the custom messages of watched comms while it listens, each once and in order."""

    def __init__(self, shell: object, on_message: OnMessage) -> None:
        """Prepare; nothing is installed before `listening`.

        Args:
            shell: IPython's shell, or None. Without a kernel behind it everything here does nothing.
            on_message: see `OnMessage`. What it raises is logged.
        """
        self._shell = shell
        self._on_message = on_message
        self._watched: set[str] = set()
        self._periods: set[object] = set()
        self._lock = threading.Lock()
        self._tap: _Tap | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """By which ways messages arrive while this plane listens; none where there is no kernel that allows it."""
        layer = _layer(getattr(self._shell, "kernel", None))
        return () if layer is None else (layer,)

    def watch(self, comm_id: str) -> None:
        """Hand over the custom messages of this comm from now on."""
        self._watched.add(comm_id)

    def unwatch(self, comm_id: str) -> None:
        """Leave the messages of this comm to the kernel again."""
        self._watched.discard(comm_id)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen during a block; may be nested. Before and after it messages take the ordinary way of widgets."""
        period = object()
        try:
            with _unbroken():
                self._begin(period)
            yield
        finally:
            self._end_surely(period)

    def pump(self) -> None:
        """Read what has arrived, where nobody else does. For the main thread, every 20 ms or so while it waits.

        Raises nothing but what a Ctrl-C raises.
        """
        tap = self._tap
        if tap is not None:
            tap.pump()

    def _begin(self, period: object) -> None:
        with self._lock:
            self._periods.add(period)
            if self._tap is None:
                kernel = getattr(self._shell, "kernel", None)
                layer = _layer(kernel)
                if layer == "channel thread" or (layer == "pump" and _in_main_thread()):
                    self._tap = _Tap(kernel, layer, self._is_ours, self._on_message)
                    self._tap.put_in()

    def _end_surely(self, period: object) -> None:
        interrupt = None
        while period in self._periods:
            try:
                with _unbroken():
                    self._end(period)
            except KeyboardInterrupt as exc:  # in the moment before it is kept out, or raised after all is done
                interrupt = exc
        if interrupt is not None:
            raise interrupt

    def _end(self, period: object) -> None:
        with self._lock:
            self._periods.discard(period)
            if self._tap is not None and not self._periods:
                tap, self._tap = self._tap, None
                tap.take_out()

    def _is_ours(self, content: dict[str, Any]) -> bool:
        return content["comm_id"] in self._watched and content["data"].get("method") == "custom"


class _Tap:
    """What is put in front of the shell stream's own callback for one busy period."""

    def __init__(
        self, kernel: Any, layer: Layer, is_ours: Callable[[dict[str, Any]], bool], on_message: OnMessage
    ) -> None:
        self._kernel = kernel
        self._session = kernel.session
        self._stream = kernel.shell_stream
        self._layer = layer
        self._is_ours = is_ours
        self._on_message = on_message
        self._cell = _parent(kernel)
        self._pid = os.getpid()
        self._open = False
        self._callback = self._receive  # one object, so that it is known again
        self._original: Any = None
        self._copied = False

    def put_in(self) -> None:
        """Begin to take messages."""
        self._open = True
        self._where_it_is_read(self._attach)

    def take_out(self) -> None:
        """Put the stream back as it was. From here on no message is taken, even if that fails."""
        self._open = False
        self._where_it_is_read(self._detach)

    def pump(self) -> None:
        """Read all that has arrived, if this is the thread that reads."""
        if self._layer != "pump" or not _in_main_thread() or os.getpid() != self._pid:
            return
        try:
            if self._stream.socket.events & _POLLIN:
                with _unbroken():  # a message that was read by half is lost, and the next one with it
                    self._stream.flush(_POLLIN)
        except Exception:
            logger.debug("cannot read the kernel's shell channel", exc_info=True)

    def _where_it_is_read(self, work: Callable[[], None]) -> None:
        """Work on the stream in the thread that it belongs to, and wait for that."""
        if os.getpid() != self._pid:
            return
        if self._layer == "pump":
            if _in_main_thread():  # else it ends when the main thread reads the next message
                self._quietly(work)
            return
        done = threading.Event()

        def announced() -> None:
            self._quietly(work)
            done.set()

        try:
            self._stream.io_loop.add_callback(announced)
        except Exception:
            logger.debug("the kernel's shell channel has ended", exc_info=True)
        else:
            done.wait(_PATIENCE)

    @staticmethod
    def _quietly(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.debug("cannot change the callback of the kernel's shell channel", exc_info=True)

    def _attach(self) -> None:
        self._original, self._copied = self._stream._recv_callback, self._stream._recv_copy
        if self._original is not None:
            self._stream.on_recv(self._callback, copy=self._copied)

    def _detach(self) -> None:
        # Another tap in front of this one stays; this one lets everything pass, and goes when the other has gone.
        if self._stream._recv_callback is self._callback:
            self._stream.on_recv(self._original, copy=self._copied)

    def _receive(self, frames: list[Any]) -> Any:
        """Stands in for the original callback: takes a message of ours, else gives what the original gives."""
        if self._open:
            message = self._ours(frames)
            if message is not None:
                self._hand_over(message)
                return None
        else:
            self._quietly(self._detach)
        return self._original(frames)

    def _ours(self, frames: list[Any]) -> dict[str, Any] | None:
        """The message, if it is for us. One that is not stays untouched, so that the kernel can check its signature."""
        try:
            _, parts = self._session.feed_identities(frames, copy=self._copied)
            signature, header, *_, content = (bytes(part) for part in parts[:5])
            if b"comm_msg" not in header or not hmac.compare_digest(self._session.sign(parts[1:5]), signature):
                return None
            if self._session.unpack(header)["msg_type"] != "comm_msg":
                return None
            if not self._is_ours(self._session.unpack(content)):
                return None
            message: dict[str, Any] = self._session.deserialize(parts, copy=self._copied)  # the one time for this one
        except Exception:  # malformed, forged or sent again: the kernel refuses it, and says so in its log
            return None
        return message

    def _hand_over(self, message: dict[str, Any]) -> None:
        try:
            self._on_message(message["content"]["data"], message["buffers"])
        except Exception:
            logger.exception("a message of the front end could not be handled")
        self._publish("busy", message)  # afterwards: beside code that computes each of these takes milliseconds
        self._publish("idle", message)
        if self._cell and self._open:
            self._publish("busy", self._cell)  # front ends and servers take the last status for the kernel's

    def _publish(self, status: str, parent: dict[str, Any]) -> None:
        try:
            self._kernel._publish_status(status, "shell", parent=parent)
        except Exception:
            logger.debug("cannot publish the kernel's status", exc_info=True)


def _layer(kernel: Any) -> Layer | None:
    """How messages can be had while a cell runs; None if this kernel lacks what that needs."""
    stream: Any = getattr(kernel, "shell_stream", None)
    session: Any = getattr(kernel, "session", None)
    has_all = (
        _has(stream, "on_recv", "flush", "socket", "_recv_callback", "_recv_copy")
        and _has(session, "feed_identities", "sign", "unpack", "deserialize")
        and _has(getattr(stream, "io_loop", None), "add_callback")
    )
    if not has_all or getattr(kernel, "io_loop", None) is None:
        return None
    # The stream may only be touched in the thread of its loop: that is the question, whatever the thread's name.
    return "pump" if stream.io_loop is kernel.io_loop else "channel thread"


def _has(thing: object, *names: str) -> bool:
    return all(hasattr(thing, name) for name in names)


def _parent(kernel: Any) -> dict[str, Any]:
    """The request that the kernel is busy with; empty if it cannot be had."""
    try:
        return dict(kernel.get_parent("shell"))
    except Exception:
        return {}


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


@contextmanager
def _unbroken() -> Iterator[None]:
    """Keep Ctrl-C and trace functions, which may raise, out of a block. A Ctrl-C in it is raised at its end."""
    if not _in_main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    pressed: list[int] = []
    trace = sys.gettrace()
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
