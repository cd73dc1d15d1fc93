"""Shows values as IPython would, but bounded while the text is built."""

from __future__ import annotations

from typing import Any

from rlm_kernel.namespace.echo import BoundedSink, Full, bounded_leaf, bounded_string, safe_repr
from rlm_kernel.namespace.publishing import StepPublisher
from rlm_kernel.namespace.takeover import Capture

_PLAIN = (str, bytes, int, float, complex, bool, list, tuple, dict, set, frozenset, type)
"""Types that have no rich form: their formatters need not be asked."""


def echo_value(shell: Any, value: object, publisher: StepPublisher, capture: Capture, *, text_only: bool) -> None:
    """Write a value's text, and publish its rich forms.

    Args:
        shell: the IPython shell; its formatters are used.
        value: what to show; None shows nothing.
        publisher: takes the rich forms.
        capture: takes the text.
        text_only: True if no rich form is wanted.
    """
    if value is None:
        return
    if text_only or type(value) in _PLAIN:
        capture.echo.write(pretty_text(shell, value) + "\n")
        return
    data, metadata = shell.display_formatter.format(value, exclude={"text/plain"})
    if hasattr(value, "_ipython_display_") and not data:
        return  # it has displayed itself
    text = pretty_text(shell, value)
    if data:
        publisher.publish({"text/plain": text, **data}, metadata)
    else:
        capture.echo.write(text + "\n")


def pretty_text(shell: Any, value: object) -> str:
    """The text of a value through IPython's pretty printer, with the user's settings for it."""
    from IPython.lib import pretty

    if type(value) in (str, bytes):
        return bounded_string(value)  # type: ignore[arg-type]  # the exact type was just looked at
    settings = shell.display_formatter.formatters["text/plain"]
    sink = BoundedSink()
    printer: Any = pretty.RepresentationPrinter(  # type: ignore[no-untyped-call]  # IPython has no annotations there
        sink,
        settings.verbose,
        settings.max_width,
        settings.newline,
        max_seq_length=settings.max_seq_length,
        singleton_pprinters=settings.singleton_printers,
        type_pprinters={str: _leaf, bytes: _leaf, **settings.type_printers},
        deferred_pprinters=settings.deferred_printers,
    )
    try:
        printer.pretty(value)
        printer.flush()
    except Full:
        return sink.text()
    except Exception:
        return safe_repr(value)
    return sink.text()


def _leaf(value: str | bytes, printer: Any, cycle: bool) -> None:  # noqa: FBT001  # IPython's own signature
    del cycle
    printer.text(bounded_leaf(value))
