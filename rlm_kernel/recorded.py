"""A run as its trajectory tells it: what can be known of it without its process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlm_kernel.trajectory.events import AnyEvent, Status
from rlm_kernel.trajectory.records import Change, Failure, Rich
from rlm_kernel.trajectory.secrets import Secrets
from rlm_kernel.trajectory.tree import Call, Node, Tree
from rlm_kernel.trajectory.tree import Step as StepNode
from rlm_kernel.usage import Usage


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run. `number` counts from 1."""

    number: int
    code: str
    output: str
    """What it printed and echoed, whole."""
    changed: tuple[Change, ...]
    """Names bound, rebound, deleted or mutated."""
    failure: Failure | None
    """The exception that ended it, if one did."""
    rich: tuple[Rich, ...]
    """Figures and tables, as mime bundles."""
    calls: int
    """Sub-calls made in it."""
    seconds: float


class TreeView:
    """The recursion tree of a run: prints as text, shows as HTML in a notebook."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @property
    def folded(self) -> Tree:
        """The fold of events that it shows."""
        return self._tree

    def __str__(self) -> str:
        from rlm_kernel.views.text import render

        return render(self._tree)

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        from rlm_kernel.views.bundle import bundle

        return bundle(self._tree)


class RecordedRun:
    """A run that was stored or saved. Nothing of it can be executed; `rlm_kernel.load` makes one."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        """Read a trajectory.

        Args:
            events: from the start of the run on; at least one.
        """
        self._events = tuple(events)
        self._tree = Tree(events)
        self._node: Node = self._tree.root

    @property
    def _known_secrets(self) -> Secrets | None:
        """Values that no file may hold; None for those of the environment."""
        return None

    @property
    def id(self) -> str:
        """The run's id."""
        return self._node.started.run

    @property
    def question(self) -> str:
        """What was asked."""
        return self._node.started.question

    @property
    def status(self) -> Status:
        """How it ended; ``stopped`` for a run whose process died."""
        return self._node.status

    @property
    def answer(self) -> object:
        """The answer as text; None if there is none."""
        finished = self._node.finished
        return finished.answer if finished is not None and finished.answer else None

    @property
    def extracted(self) -> bool:
        """True if the answer was taken from the evidence after a limit, not given by FINAL."""
        return bool(self._node.finished and self._node.finished.extracted)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader of the answer should know, one line each: of this run, and the warnings of those below it."""
        own = _said(self._node, "warning", "remark")
        below = [text for run in self._tree.below(self.id) for text in _said(self._tree.runs[run], "warning")]
        return (*own, *dict.fromkeys(f"in a child run: {text}" for text in below))

    # -- how it went

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order. ``steps[0].number`` is 1."""
        return tuple(_step(step) for step in self._node.steps if step.started)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call to a model, the root's and sub-calls, in the order they left."""
        return tuple(self._tree.calls.values())

    @property
    def usage(self) -> Usage:
        """Calls and tokens, its own and its children's."""
        return self._tree.usage

    @property
    def cost(self) -> float | None:
        """Dollars, its own and its children's; None if the price of any call is not known."""
        return self.usage.cost

    @property
    def seconds(self) -> float:
        """Wall clock from the first event to the last."""
        events = self.events
        return events[-1].at - events[0].at if events else 0.0

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """The trajectory."""
        return self._events

    def tree(self) -> TreeView:
        """The recursion tree; print it, or let the notebook show it."""
        return TreeView(self._tree)

    def report(self) -> str:
        """Where its calls, tokens, time and money went, in lines for a person."""
        from rlm_kernel.views.report import report

        return report(self._tree, self.events)

    def save(self, path: str | Path) -> Path:
        """Write it to a file; the ending says as what.

        Args:
            path: ``.jsonl`` for the reference project's format, ``.rlm`` for our own, ``.html`` for a page, ``.ipynb``
                for a notebook of the steps, ``.py`` for the code that led to the answer.

        Returns:
            The absolute path.

        Raises:
            StoreError: the ending is none of these, or the file cannot be written.
        """
        from rlm_kernel.views.saved import save

        return save(self.events, path, secrets=self._known_secrets)

    def _used(self) -> str:
        from rlm_kernel.views.words import count

        usage = self.usage
        return f"{count(len(self.steps), 'step')}, {count(usage.calls, 'call')}, {usage.tokens:,} tokens"

    def __repr__(self) -> str:
        return f"<RecordedRun {self.id} {self.status}: {self._used()}>"


def _said(node: Node, *kinds: str) -> list[str]:
    return [note.text for step in node.steps for note in step.notes if note.kind in kinds]


def _step(step: StepNode) -> Step:
    assert step.started is not None
    output = step.finished.output if step.finished else None
    return Step(
        number=step.number,
        code=step.started.code,
        output=output.text if output else "",
        changed=output.changes if output else (),
        failure=output.failure if output else None,
        rich=output.rich if output else (),
        calls=len(step.sub_calls),
        seconds=output.seconds if output else 0.0,
    )
