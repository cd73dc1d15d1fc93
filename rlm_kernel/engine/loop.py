"""The loop of a root model, as a generator: it yields actions, receives their outcomes, and touches nothing else.

No network, no clock, no shell: a driver performs the actions. Stepping, replaying and pausing are other drivers of
the same generator.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from rlm_kernel.engine.actions import Action, Execute, Generate, Note, Solved
from rlm_kernel.engine.answers import (
    asks_how_many,
    fit,
    is_passage,
    literal,
    meant_as_final,
    plain_answer,
    says_not_found,
)
from rlm_kernel.engine.feedback import Feedback, cut
from rlm_kernel.engine.guards import NEVER_TRUE, REASONS, Candidate, objection
from rlm_kernel.engine.history import Exchange, History, HistoryOverflow
from rlm_kernel.engine.mending import mend
from rlm_kernel.engine.replies import Code, Empty, Prose, Reading, TextFinal, last_words, lesson, read
from rlm_kernel.engine.returns import Misfit
from rlm_kernel.engine.task import Task
from rlm_kernel.errors import ContextOverflow, LimitReached, ModelError, RunNotDone
from rlm_kernel.trajectory.records import Message, Outcome, Output, Reply

Solving = Generator[Action, Reply | Outcome | None, Solved]
_Part = Generator[Action, Reply | Outcome | None, Solved | None]

_MOST_MISSES = 4  # replies in a row from which nothing could be run
_UNSEEN_REDRAWS = 2  # redraws of a constant given before anything was looked at
_MOST_NEW_STARTS = 2  # of a model that gives one refused answer again and again: then it may be right
_MOST_EVIDENCE = 6_000


def solve(task: Task) -> Solving:
    """Work on a task from its beginning; see `Root.solve`."""
    return Root(task).solve()


class Root:
    """One root at work: its conversation, and what it has done so far."""

    def __init__(self, task: Task) -> None:
        """Open the conversation.

        Args:
            task: what it is about.
        """
        self.task = task
        self.most_steps = task.steps
        """Steps after which it must stop; may be raised once it did."""
        self.steps = 0
        """Steps executed so far."""
        self.settings = task.pack.settings
        self.feedback = Feedback(pack=task.pack, question=task.question, contexts=task.contexts)
        opening = task.pack.opening(
            task.question,
            task.contexts,
            inventory=task.inventory,
            window=task.sub_window,
            levels=task.levels,
            is_child=task.depth > 0,
            form=task.returns.words if task.returns else "",
        )
        self.history = History(opening, task.count, newest_fault_only=self.settings.newest_fault_only)
        self.replies = 0
        self.misses = 0
        self.faults = 0  # raises the temperature of packs that redraw
        self.redraws = 0
        self.misfits = 0
        self.unrun: tuple[Code, Reply] | None = None  # code that a limit kept from running
        self.evidence: list[str] = []
        self.objected: set[str] = set()
        self.codes: set[str] = set()
        self.failing: set[str] = set()
        self.new_starts = 0
        self.asked_for_final = False
        self.hints: list[str] = []
        """Words for the model, told with its next request."""

    def hint(self, text: str) -> None:
        """Have the model told something of the user's with its next request."""
        self.hints.append(self.feedback.say("hint", text=text))

    def solve(self) -> Solving:
        """Work on the task until there is an answer. May be called again after a limit was reached and raised.

        Yields:
            Actions, for a driver to perform.

        Returns:
            The answer.

        Raises:
            LimitReached: a limit was reached and nothing had been seen from which to answer.
            ModelError: the root model failed.
            RunNotDone: the model did not come to an answer.
        """
        try:
            return (yield from self.work())
        except LimitReached as limit:
            return (yield from self.extract(limit))

    def work(self) -> Solving:
        """Ask, read, run, judge, until there is an answer."""
        while True:
            reading, reply = yield from self._next()
            if isinstance(reading, Code):
                solved = yield from self._run(reading, reply)
            elif isinstance(reading, TextFinal):
                solved = yield from self._judge(
                    literal(reading.text.strip()), "", reply, Output(), seen=bool(self.evidence)
                )
            else:
                solved = yield from self._miss(reading, reply)
            if solved:
                return solved
            if self.settings.patience is not None and self.replies >= self.settings.patience:
                return (yield from self._conclude())

    def extract(self, limit: LimitReached) -> Solving:
        """One last call: the answer from the evidence alone."""
        if not self.evidence:
            raise limit
        try:
            value = yield from self._ask_outright(f"{limit.limit:g} {limit.kind} are used up")
        except (ModelError, LimitReached) as exc:
            yield Note(step=self.steps, kind="warning", text=f"no answer could be taken from the evidence: {exc}")
            raise limit from exc
        return Solved(value=(yield from self._formed(value)), extracted=limit)

    def _formed(self, value: object) -> Generator[Action, Reply | Outcome | None, object]:
        """A last answer in the form asked for, where it has it; else as it is, and that is said."""
        if self.task.returns is None:
            return value
        try:
            return fit(value, self.task.returns)
        except Misfit as misfit:
            yield Note(step=self.steps, kind="warning", text=f"the answer is not of the form asked for: {misfit}")
            return value

    # -- asking

    def _next(self) -> Generator[Action, Reply | Outcome | None, tuple[Reading, Reply]]:
        if self.unrun is not None:
            unrun, self.unrun = self.unrun, None
            return unrun
        self._check_steps()
        reply = yield from self._ask()
        return read(reply), reply

    def _check_steps(self) -> None:
        most = self.most_steps
        if most is not None and self.steps >= most:
            raise LimitReached("steps", self.steps + 1, most)

    def _ask(self) -> Generator[Action, Reply | Outcome | None, Reply]:
        while self.hints:
            self.history.tell(self.hints.pop(0))
        yield from self._fit(self.task.room)
        try:
            reply = yield self._generate(self.history.messages)
        except ContextOverflow as overflow:  # our count was too low: the server's word is final
            try:
                yield from self._fit(min(self.task.room, self.history.tokens) // 2)
            except RunNotDone:
                raise overflow from None
            reply = yield self._generate(self.history.messages)
        assert isinstance(reply, Reply)
        self.replies += 1
        return reply

    def _fit(self, room: int) -> Generator[Action, Reply | Outcome | None, None]:
        try:
            done = self.history.fit(room)
        except HistoryOverflow as exc:
            raise RunNotDone(
                f"{exc} in the model's window of {self.task.window}; name fewer variables, withhold columns, "
                "or use a model with a larger window",
            ) from exc
        if done:
            yield Note(step=self.steps + 1, kind="history", text=done)

    def _generate(self, messages: tuple[Message, ...]) -> Generate:
        base = self.task.temperature if self.task.temperature is not None else self.settings.temperature
        seed = self.task.seed
        if self.settings.redraw:
            base = min(1.0, 0.3 + 0.25 * self.faults) if self.faults else base
            seed = (seed or 0) + self.replies
        return Generate(
            step=self.steps + 1,
            messages=messages,
            temperature=base,
            seed=seed,
            max_tokens=self.settings.max_tokens,
        )

    # -- replies without code

    def _miss(self, reading: Reading, reply: Reply) -> _Part:
        self.misses += 1
        self.faults += 1
        if isinstance(reading, Prose) and self.evidence and self.asked_for_final:
            yield Note(step=self.steps + 1, kind="remark", text="the answer was given in prose, not with FINAL")
            return (yield from self._accept(reading.text.strip(), reply, Output()))
        if self.misses >= _MOST_MISSES:
            raise RunNotDone(f"the model wrote no code in {self.misses} replies; its last words: {last_words(reply)}")
        section, name = lesson(reading)
        self.asked_for_final |= isinstance(reading, Prose) and bool(self.evidence)
        if self.settings.redraw or (isinstance(reading, Empty) and self.misses == 1):
            yield Note(step=self.steps + 1, kind="redraw", text=f"asked again: the reply was {name}")
        else:
            yield Note(step=self.steps + 1, kind="guard", text=f"the reply was {name}; the model is told so")
            self._add(reply.text or "(empty)", self.feedback.say(section), fault=True)
        return None

    # -- replies with code

    def _run(self, code: Code, reply: Reply) -> _Part:
        seen = bool(self.evidence)
        if self.settings.mend:
            fields = {field for context in self.task.contexts for field in context.fields}
            code = replace(code, source=mend(code.source, fields))
        self.unrun = (code, reply)  # paid for: if a limit keeps it from running, it runs once that is raised
        outcome = yield Execute(step=self.steps + 1, code=code.source)
        assert isinstance(outcome, Outcome)
        self.unrun = None
        if outcome.refused is not None:
            section = "rejected" if outcome.refused else "skipped"
            self._add(self._said(reply, code), self.feedback.say(section, reason=outcome.refused))
            return None
        if outcome.ran is not None:
            code, reply = self._edited(outcome.ran, reply)
        return (yield from self._weigh(code, reply, outcome, seen=seen))

    def _edited(self, code: str, reply: Reply) -> tuple[Code, Reply]:
        """What ran in place of the model's code, as if it had written that; it is told so."""
        self.hints.append(self.feedback.say("edited"))
        return Code(code), replace(reply, text=self.task.pack.fence(code))

    def _weigh(self, code: Code, reply: Reply, outcome: Outcome, *, seen: bool) -> _Part:
        """What comes of an outcome: an answer, or words for the model."""
        self.steps += 1
        self.misses = 0
        output = outcome.output
        takes_scalar = self.settings.take_scalar and (self._over_table() or asks_how_many(self.task.question))
        final = outcome.final or meant_as_final(code, outcome, takes_scalar=takes_scalar)
        if final is not None:
            return (yield from self._judge(final.value, code.source, reply, output, seen=seen))
        if output.failure is not None:
            self.faults += 1
            self._remember(output)
            if self._is_stuck(code.source):
                return (yield from self._start_over())
            self._add(self._said(reply, code), self.feedback.error(output, output.failure), output=output, fault=True)
            return None
        self._remember(output)
        if code.source in self.codes and self.settings.redraw:
            return (yield from self._conclude())
        self.codes.add(code.source)
        if self.settings.read and is_passage(output.text) and not self._over_table():
            return (yield from self._read(code, reply, output))
        self._add(
            self._said(reply, code), self.feedback.output(output, step=self.steps, most=self.most_steps), output=output
        )
        return None

    def _read(self, code: Code, reply: Reply, output: Output) -> _Part:
        """Let the model read what was printed, with nothing else before its eyes."""
        value = yield from self._ask_about("read", self.feedback.shown(output), "")
        if value is None or (isinstance(value, str) and says_not_found(value)):
            yield Note(step=self.steps, kind="redraw", text="read, but the passages do not answer the question")
            self.faults += 1
            self.evidence.clear()  # an answer asked for outright would be invented from it
            told = self.feedback.say("not_found", output=self.feedback.short(output))
            self._add(self._said(reply, code), told, output=output, fault=True)
            return None
        return (yield from self._judge(value, code.source, reply, output, seen=True))

    def _over_table(self) -> bool:
        return any(context.kind == "table" for context in self.task.contexts)

    def _judge(self, value: object, source: str, reply: Reply, output: Output, *, seen: bool) -> _Part:
        candidate = Candidate(
            value=value, question=self.task.question, code=source, contexts=self.task.contexts, seen=seen
        )
        section = objection(candidate, self.settings)
        if section is None or not self.task.pack.has(section):
            return (yield from self._accept(value, reply, output))
        if section == "unseen" and self.settings.redraw and self.redraws < _UNSEEN_REDRAWS:
            self.redraws += 1
            self.faults += 1
            yield Note(step=self.steps, kind="redraw", text="asked again: a constant, before anything was looked at")
            return None
        if section in NEVER_TRUE and self.new_starts < _MOST_NEW_STARTS and self._is_stuck(source):
            self.faults += 1
            return (yield from self._start_over())
        if section in self.objected or (section == "unseen" and self.settings.redraw):
            yield Note(step=self.steps, kind="remark", text=f"the answer was taken although: {REASONS[section]}")
            return (yield from self._accept(value, reply, output))
        self.objected.add(section)
        self.faults += 1
        self._remember(output)
        yield Note(step=self.steps, kind="guard", text=f"refused once: {REASONS[section]}")
        told = self.feedback.objection(section, output, value)
        self._add(reply.text, told, output=output, fault=True)
        return None

    def _accept(self, value: object, reply: Reply, output: Output) -> _Part:
        """The answer, if it has the form asked for; else the model is told once what is wrong with it."""
        returns = self.task.returns
        if returns is None:
            return Solved(value=value)
        try:
            return Solved(value=fit(value, returns))
        except Misfit as misfit:
            if self.misfits:
                raise RunNotDone(f"the answer is not of the form asked for, twice: {misfit}", value=value) from None
            self.misfits += 1
            self.faults += 1
            self._remember(output)
            yield Note(step=self.steps, kind="guard", text=f"refused once: not of the form asked for: {misfit}")
            told = self.feedback.say("misfit_final", error=str(misfit), form=returns.words)
            self._add(reply.text, told, output=output, fault=True)
            return None

    def _is_stuck(self, source: str) -> bool:
        """True if the model wrote the same failing code again: what it was told does not help it."""
        plain = "\n".join(line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#"))
        stuck = self.settings.redraw and plain in self.failing
        self.failing.add(plain)
        return stuck

    def _start_over(self) -> _Part:
        self.history.forget_faults()
        self.new_starts += 1
        yield Note(step=self.steps, kind="redraw", text="asked anew: the same code came again")
        return None

    # -- ending without FINAL

    def _conclude(self) -> Solving:
        if not self.evidence:
            raise RunNotDone(
                f"the model found no answer in {self.replies} replies; ask in other words or use a larger model"
            )
        value = yield from self._ask_outright(f"{self.replies} replies brought no answer")
        yield Note(
            step=self.steps,
            kind="remark",
            text="the model never called FINAL; asked outright, it read the answer from the outputs",
        )
        return Solved(value=(yield from self._formed(value)))

    def _ask_outright(self, reason: str) -> Generator[Action, Reply | Outcome | None, object]:
        evidence = cut("\n".join(self.evidence[-3:]), min(_MOST_EVIDENCE, self.task.window), self.task.pack)
        value = yield from self._ask_about("extract", evidence, reason)
        if value is None:
            raise ModelError("asked for an answer in words, the model gave code")
        return value

    def _ask_about(self, section: str, evidence: str, reason: str) -> Generator[Action, Reply | Outcome | None, object]:
        asked = Message("user", self.feedback.say(section, evidence=evidence, reason=reason))
        alone = "$evidence" in self.task.pack.sections[section]
        if not alone:
            yield from self._fit(self.task.room - self.task.count(asked.content))
        messages = (asked,) if alone else (*self.history.messages, asked)
        base = self.task.temperature if self.task.temperature is not None else self.settings.temperature
        reply = yield Generate(
            step=self.steps,
            messages=messages,
            purpose="extract" if section == "extract" else "root",
            temperature=base,
            max_tokens=self.settings.max_tokens,
        )
        assert isinstance(reply, Reply)
        return plain_answer(reply)

    # -- bookkeeping

    def _remember(self, output: Output) -> None:
        if shown := self.feedback.shown(output):
            self.evidence.append(shown)

    def _said(self, reply: Reply, code: Code) -> str:
        # A small model copies its own ramblings; a strong one loses its plan if they are taken away.
        return self.task.pack.fence(code.source) if self.settings.redraw or not reply.text.strip() else reply.text

    def _add(self, reply: str, feedback: str, *, output: Output | None = None, fault: bool = False) -> None:
        short = self.feedback.short(output) if output else feedback
        self.history.add(Exchange(reply=reply, feedback=feedback, short=short, fault=fault))
