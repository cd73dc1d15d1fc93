"""A run as a file: the ending of its name says which kind."""

from __future__ import annotations

import contextlib
import os
import secrets as randomness
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rlm_kernel.errors import StoreError
from rlm_kernel.trajectory import codec
from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.trajectory.interchange import lossless, reference
from rlm_kernel.trajectory.interchange.cell import cell
from rlm_kernel.trajectory.interchange.notebook import notebook
from rlm_kernel.trajectory.secrets import Secrets
from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views.page import page

Writer = Callable[[Sequence[AnyEvent]], str]

WRITERS: Mapping[str, Writer] = {
    ".jsonl": lambda events: "".join(f"{line}\n" for line in reference.lines(events)),
    ".rlm": lambda events: "".join(f"{line}\n" for line in lossless.lines(events)),
    ".html": lambda events: page(Tree(events)),
    ".ipynb": notebook,
    ".py": cell,
}
"""What writes a file with that ending. `lossless.load` reads the first two back."""


def save(events: Sequence[AnyEvent], path: str | Path, *, secrets: Secrets | None = None) -> Path:
    """Write a run to a file, whole or not at all; an older file of that name is replaced.

    Args:
        events: the trajectory, from its first event on.
        path: ``.jsonl`` for the reference project's visualizer and for `load`, ``.rlm`` for `load` alone and
            smaller, ``.html`` for one page to look at, ``.ipynb`` for a notebook of the steps, ``.py`` for the code
            that led to the answer.
        secrets: values that the file must not hold; those of the environment if left out.

    Returns:
        The absolute path.

    Raises:
        StoreError: the ending is none of these, there is nothing to save, or the file cannot be written.
    """
    target = Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111  # these never raise
    write = WRITERS.get(target.suffix.lower())
    if write is None:
        raise StoreError(f"a run is saved as {', '.join(WRITERS)}; {target.name!r} ends in none of them")
    if not events:
        raise StoreError("there is nothing to save: the run has not begun")
    known = secrets or Secrets.known(os.environ)
    text = write([codec.rewritten(event, known.blank) for event in events] if known.values else events)
    try:
        _replace(target, text.encode())
    except OSError as exc:
        raise StoreError(f"{target} cannot be written: {exc.strerror or exc}") from exc
    return target


def _replace(target: Path, content: bytes) -> None:
    beside = target.with_name(f".{target.name}.{randomness.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(content)
        beside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
