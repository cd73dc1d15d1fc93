"""The run's own layer over the user's names.

When a step rebinds or deletes a name that the user had, the run's version goes into a layer: swapped in before each
execution, swapped out right after. Between steps the user finds and changes their own. New names stay in the namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rlm_kernel.namespace.bindings import StepNames
from rlm_kernel.namespace.journal import DROPPED, UNTOUCHED, Entry, Journal
from rlm_kernel.namespace.marks import MISSING, Mark
from rlm_kernel.namespace.summaries import summary_of
from rlm_kernel.trajectory.records import Change, ChangeHow

Writable = frozenset[str] | Literal["all"]
LoanKind = Literal["layer", "given", "protected", "offered"]
"""layer: the run's version of a name. given: a value that is the run's own context, or a copy of the user's.
protected: a name that the model cannot change. offered: one that is there where nobody else has it."""


@dataclass(slots=True)
class Loan:
    """A name that is bound to something of ours while a step executes."""

    ours: object
    """MISSING if the name is to be absent."""
    theirs: object
    """What the user had; MISSING for nothing."""
    kind: LoanKind


class Layer:
    """Keeps the run's versions and the user's apart. One step at a time: `enter`, the code runs, `leave`."""

    def __init__(
        self, namespace: dict[str, object], hidden: dict[str, object], writable: Writable, journal: Journal
    ) -> None:
        """Start with nothing changed.

        Args:
            namespace: the live names.
            hidden: names that are not the user's own, with their values.
            writable: the user's names that are handed over for real.
            journal: where changes are written down.
        """
        self.apart: dict[str, object] = {}
        """The run's versions of the user's names; MISSING for one that the run deleted."""
        self.made: dict[str, Mark] = {}
        """Names that the run made in the namespace and the user has not taken over since."""
        self.notices: list[str] = []
        self._namespace = namespace
        self._hidden = hidden
        self._writable = writable
        self._journal = journal
        self._loans: dict[str, Loan] = {}
        self._begun = False
        self._before: dict[str, object] = {}
        self._after: dict[str, object] = {}
        self._declared: set[str] = set()
        self._agents: set[str] = set()
        self._step = 0

    # -- before the step ------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give up names that the user rebound or deleted since: they are the user's now."""
        for name in [n for n, mark in self.made.items() if not mark.is_of(self._namespace.get(n, MISSING))]:
            del self.made[name]

    def is_users(self, name: str) -> bool:
        """Whether the user has a variable of this name now. Between steps, after `release`."""
        return name in self._namespace and name not in self.made and not self.is_hidden(name)

    def is_hidden(self, name: str) -> bool:
        """Whether a name is bound to what the shell, or a run, keeps there and not to a variable."""
        return name in self._hidden and self._hidden[name] is self._namespace.get(name, MISSING)

    def is_writable(self, name: str) -> bool:
        """Whether a name of the user's is handed over for real."""
        return self._writable == "all" or name in self._writable

    def lend_layer(self) -> None:
        """Swap the run's versions in."""
        for name, ours in self.apart.items():
            self._lend(name, ours, "layer")

    def lend(self, names: Mapping[str, object], kind: LoanKind) -> None:
        """Bind names for the execution; offered ones only where nobody has them."""
        for name, ours in names.items():
            if kind != "offered" or name not in self._namespace:
                self._lend(name, ours, kind)

    def begin(self, step: int) -> None:
        """Everything is swapped in: remember what every name is bound to."""
        self._step = step
        self._before = dict(self._namespace)
        self._begun = True

    def _lend(self, name: str, ours: object, kind: LoanKind) -> None:
        theirs = self._namespace.get(name, MISSING)
        if kind == "protected" and self.is_hidden(name):
            theirs = MISSING  # a run left it there, this one or an earlier one
        if name in self._loans:  # such as a door of a name that the layer has a version of
            theirs = self._loans[name].theirs
        self._loans[name] = Loan(ours, theirs, kind)
        if ours is MISSING:
            self._namespace.pop(name, None)
        else:
            self._namespace[name] = ours

    # -- after the step -------------------------------------------------------------------------------------------

    def leave(self, facts: StepNames, staying: Iterable[str]) -> list[Change]:
        """Sort out what changed, and give the user's names back.

        Args:
            facts: what the step's code can bind.
            staying: lent names that stay bound where the user has none.
        """
        changes: list[Change] = []
        try:
            # Where swapping in failed nothing ran: there is only something to give back.
            if self._begun:
                self._after = dict(self._namespace)
                self._refill(facts)
                settled = [self._settle(name, facts) for name in self._changed(facts)]
                changes += [change for change in settled if change is not None]
        finally:
            self._begun = False
            self._give_back(frozenset(staying))
            self._declared |= facts.declared
            self._agents |= facts.agents
            # Frames of a failed step may outlive it and lead here: they must not keep the user's objects.
            for kept in (self._before, self._after, self._loans):
                kept.clear()
        return changes

    def adopt(self, name: str, value: object) -> bool:
        """Let a lent name's new value be ours too, no change of the model's. False if the name was not offered."""
        loan = self._loans.get(name)
        if loan is None or loan.kind != "offered":
            return False
        loan.ours = self._before[name] = value
        loan.kind = "given"
        return True

    def was_bound_to(self, name: str, value: object) -> bool:
        """Whether a name had this value when the step began."""
        return self._before.get(name, MISSING) is value

    def _changed(self, facts: StepNames) -> list[str]:
        before, after = self._before, self._after
        found = [name for name, value in after.items() if before.get(name, MISSING) is not value]
        found += [name for name in before if name not in after]
        # `import pandas as pd` where pd is offered binds the very same module: the model made that name all the same.
        offered = [name for name, loan in self._loans.items() if loan.kind == "offered" and name in facts.binds]
        return found + [name for name in offered if name in after and before.get(name, MISSING) is after[name]]

    def _refill(self, facts: StepNames) -> None:
        """Bring everything back if the step emptied the namespace (``%reset -f``, ``globals().clear()``)."""
        lost = [name for name in self._before if name not in self._after and name not in facts.deletes]
        if not facts.anything or not any(self._loans[n].kind == "protected" for n in lost if n in self._loans):
            return
        for name in lost:
            self._namespace[name] = self._after[name] = self._before[name]
        self.notices.append("The code emptied the namespace; every name is back as it was.")

    def _settle(self, name: str, facts: StepNames) -> Change | None:
        old, new = self._before.get(name, MISSING), self._after.get(name, MISSING)
        loan = self._loans.get(name)
        if _is_machinery(name):
            if old is not MISSING:
                self._swap(name, new, old)
            return None
        if not self._could_bind(name, facts):
            self._keep_foreign(name, loan)
            return None
        if loan is not None and loan.kind == "protected":
            loan.ours = new
            self.notices.append(f"`{name}` belongs to the run and cannot be changed; it is back as it was.")
            return None
        theirs = old if loan is None else loan.theirs
        is_users = theirs is not MISSING and name not in self.made
        if loan is not None and loan.kind == "offered":
            old = MISSING
        is_given = loan is not None and loan.kind == "given"
        if (is_users or is_given or name in self.apart) and not self.is_writable(name):
            self._set_apart(name, new, theirs, loan)
            return _change(name, old, new, kept_apart=True)
        self._note_real(name, old, new, loan, is_users=is_users)
        return _change(name, old, new, kept_apart=False)

    def _could_bind(self, name: str, facts: StepNames) -> bool:
        if facts.can_bind(name) or not self._agents.isdisjoint(facts.mentions):
            return True
        # A function of an earlier step may bind what it declared global, but only code that gets at it can call it.
        return name in self._declared and not facts.mentions.isdisjoint({*self.made, *self.apart})

    def _keep_foreign(self, name: str, loan: Loan | None) -> None:
        """A write that the step's code cannot have made: the user's thread or widget made it. It wins."""
        self.made.pop(name, None)
        self._loans.pop(name, None)
        if loan is None or loan.kind == "layer":
            self.notices.append(f"`{name}` was changed by the user's own code while the step ran; that was kept.")

    def _set_apart(self, name: str, new: object, theirs: object, loan: Loan | None) -> None:
        self.put_apart(name, new)
        if loan is None:
            self._loans[name] = Loan(new, theirs, "layer")
        else:
            loan.ours = new

    def _note_real(self, name: str, old: object, new: object, loan: Loan | None, *, is_users: bool) -> None:
        self._journal.note(
            Entry(
                step=self._step,
                name=name,
                place="namespace",
                old=old,
                new=None if new is MISSING else Mark(new),
                was_made=name in self.made,
            )
        )
        if loan is not None:
            del self._loans[name]
        if new is MISSING:
            self.made.pop(name, None)
        elif not is_users:
            self.made[name] = Mark(new)

    def put_apart(self, name: str, value: object) -> None:
        """Make `value` the run's version of a name; MISSING if it deleted the name."""
        old = self.apart.get(name, UNTOUCHED)
        self._journal.note(Entry(step=self._step, name=name, place="layer", old=old, new=None))
        self.apart[name] = value

    def rewind(self, entries: Iterable[Entry]) -> tuple[str, ...]:
        """Take changes back, newest first.

        Returns:
            Names that stay as they are: the user has changed them since, or the old value was not kept.
        """
        lost: dict[str, None] = {}
        for entry in entries:
            if entry.old is DROPPED or (entry.place == "namespace" and not self._still_holds(entry)):
                lost[entry.name] = None
            elif entry.place == "namespace":
                self._bind_again(entry)
            elif entry.old is UNTOUCHED:
                self.apart.pop(entry.name, None)
            else:
                self.apart[entry.name] = entry.old
        return tuple(lost)

    def _still_holds(self, entry: Entry) -> bool:
        now = self._namespace.get(entry.name, MISSING)
        return now is MISSING if entry.new is None else entry.new.is_of(now)

    def _bind_again(self, entry: Entry) -> None:
        self.made.pop(entry.name, None)
        if entry.old is MISSING:
            self._namespace.pop(entry.name, None)
            return
        self._namespace[entry.name] = entry.old
        if entry.was_made:
            self.made[entry.name] = Mark(entry.old)

    def _give_back(self, staying: frozenset[str]) -> None:
        for name, loan in self._loans.items():
            if name in staying and loan.theirs is MISSING:
                continue
            self._swap(name, loan.ours, loan.theirs)

    def _swap(self, name: str, expected: object, wanted: object) -> None:
        """Bind `name` to `wanted` if it is still bound to `expected`; a write of the user's in between wins."""
        namespace = self._namespace
        # There is no call between look and write, so no other thread can get in between.
        try:
            if expected is MISSING:
                if wanted is not MISSING:
                    namespace.setdefault(name, wanted)
            elif wanted is MISSING:
                if namespace[name] is expected:
                    del namespace[name]
            elif namespace[name] is expected:
                namespace[name] = wanted
        except KeyError:
            return  # deleted in between: that wins too


def _is_machinery(name: str) -> bool:
    """Names that Python and IPython bind by themselves as code runs."""
    return (name.startswith("__") and name.endswith("__") and len(name) > 4) or name == "_exit_code"  # noqa: PLR2004


def _change(name: str, old: object, new: object, *, kept_apart: bool) -> Change | None:
    if not name.strip("_"):
        return None
    how: ChangeHow = "deleted" if new is MISSING else "bound" if old is MISSING else "rebound"
    summary = "" if new is MISSING else summary_of(new)
    return Change(name=name, how=how, summary=summary, kept_apart=kept_apart)
