"""The live view as a widget: `LiveView` at one end, the bundle of `js/` at the other, custom messages between them."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.views.live import LiveView, Message

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

logger = logging.getLogger("rlm_kernel")

EVERY = 0.1
"""Seconds between two messages: a person sees no more than ten changes a second."""

_NO_WIDGETS = "The run goes on; its live view needs a front end that shows widgets."

Control = Callable[[Message], None]


class Widget:
    """A live view on a page.

    Give `sink` to the recorder, call `display` in the cell, `tick` as often as you like from the thread that waits,
    and `close` at the end. While that thread is busy in the model's code, a thread of the widget's own sends instead.
    """

    def __init__(self) -> None:
        self.live = LiveView()
        self._model = _model_class()()
        self._model.on_msg(lambda _model, content, _buffers: self.receive(content))
        self._controls: list[Control] = []
        self._taken: set[str] = set()
        self._sending = threading.RLock()
        self._sent_at = 0.0
        self._closed = threading.Event()
        self._asked: deque[Message] = deque()
        self._wake = threading.Event()
        self._flusher: threading.Thread | None = None

    @property
    def sink(self) -> Callable[[AnyEvent], None]:
        """What the recorder tells its events."""
        return self.live

    @property
    def comm_id(self) -> str:
        """The comm by which the page speaks to the kernel; empty after `close`."""
        comm = self._model.comm
        return str(comm.comm_id) if comm is not None else ""

    def on_control(self, callback: Control) -> None:
        """Have `callback` called with each control message of a person.

        It is called in whatever thread brings the message, also in the middle of a step: it may set flags and nothing
        else.
        """
        self._controls.append(callback)

    def tick(self) -> None:
        """Send what is new, at most ten times a second."""
        if time.monotonic() - self._sent_at >= EVERY:
            self.flush()

    def flush(self) -> None:
        """Send what is new, now."""
        if not self._sending.acquire(blocking=False):
            return  # the other thread is at it
        try:
            self._sent_at = time.monotonic()
            while (message := self.live.flush(time.time())) is not None:
                self._model.send(message)
        finally:
            self._sending.release()

    def receive(self, content: Message) -> None:
        """Take a message of the page, from any thread, by whichever way it came; one that came before is left out."""
        name = content.get("nonce")
        if isinstance(name, str):
            if name in self._taken:
                return
            self._taken.add(name)
        match content.get("type"):
            case "control":
                for callback in self._controls:
                    callback(content)
            case "sync" | "detail":
                self._asked.append(content)
                if self._flusher is not None and self._flusher.is_alive():
                    self._wake.set()  # whoever brought this may be a thread of the kernel, which must not wait
                else:
                    self._answer()
            case _:
                logger.debug("a message that the live view does not know: %r", content)

    def display(self) -> DisplayHandle | None:
        """Show it under the running cell; the handle can replace it by the static bundle at the end."""
        from IPython.display import display

        return display(self.bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call, no-any-return]  # IPython's

    def bundle(self) -> Message:
        """What shows it, for whoever puts it onto the page; from now on it sends as part of the running cell."""
        self._keep()
        self.attach()
        bundle = self._model._repr_mimebundle_()
        return {**(bundle[0] if isinstance(bundle, tuple) else bundle), "text/plain": _NO_WIDGETS}

    def attach(self) -> None:
        """Send from now on as part of the running cell. Call it in each cell that drives the run."""
        self._closed.set()
        self._wake.set()
        self._closed = closed = threading.Event()
        # Messages from a thread belong to the cell that is current in its context, else to whichever came last.
        context = contextvars.copy_context()
        run = functools.partial(context.run, self._flush_until, closed)
        self._flusher = threading.Thread(target=run, name="rlm-widget", daemon=True)
        self._flusher.start()

    def rest(self) -> None:
        """Stop the thread; the widget stays on the page, and its state with the kernel for views to come."""
        self._halt()
        self._keep()

    def close(self) -> None:
        """Send the end, and take the widget from the page."""
        self._halt()
        self._model.close()

    def _halt(self) -> None:
        self._closed.set()
        self._wake.set()
        if self._flusher is not None and self._flusher is not threading.current_thread():
            self._flusher.join(1)
        self._answer()
        self.flush()

    def _keep(self) -> None:
        """Write the state from which a new view begins; what it holds need not go as messages too."""
        with self._sending:
            now = time.time()
            while self.live.flush(now) is not None:
                pass
            self._model.snapshot = self.live.snapshot(now)

    def _answer(self) -> None:
        """Send what the page has asked for."""
        while self._asked:
            with contextlib.suppress(IndexError):  # another thread took it
                content = self._asked.popleft()
                if content["type"] == "detail":
                    self._model.send(self._detail(content))
                else:
                    self._send_snapshot(content.get("seq"))

    def _send_snapshot(self, known: object) -> None:
        """Answer a view that may have missed something, unless it has all: then a long message is saved."""
        with self._sending:
            snapshot = self.live.snapshot(time.time())
            if snapshot["seq"] != known:
                self._model.send(snapshot)

    def _detail(self, content: Message) -> Message:
        at = content.get("at", 0)
        return self.live.detail(
            str(content.get("id")), str(content.get("part") or ""), at if isinstance(at, int) else 0
        )

    def _flush_until(self, closed: threading.Event) -> None:
        while not closed.is_set():
            self._wake.wait(EVERY)
            self._wake.clear()
            with contextlib.suppress(Exception):  # a kernel that goes down; the next round tries again
                self._answer()
                self.tick()


@functools.cache
def _model_class() -> Any:
    """The widget's model. Made late: its libraries take longer to import than everything else."""
    import anywidget
    import traitlets

    static = files("rlm_kernel.views").joinpath("static")

    class LiveRun(anywidget.AnyWidget):
        """The kernel's half of the widget."""

        _esm = static.joinpath("widget.js").read_text(encoding="utf-8")
        _css = static.joinpath("widget.css").read_text(encoding="utf-8")
        snapshot = traitlets.Dict().tag(sync=True)
        """The run as it was at the start and at the end; what is between goes by messages."""

    return LiveRun
