"""Where two runs part: settings, code, outputs, calls, cost and answer, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rlm_kernel.trajectory.events import AnyEvent, Status
from rlm_kernel.trajectory.records import Message, Output
from rlm_kernel.trajectory.tree import Call, Node, Step, Tree
from rlm_kernel.usage import Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two runs, in figures."""

    run: str
    status: Status
    steps: int
    usage: Usage
    """Of the whole tree."""
    seconds: float
    answer: str
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Something that the runs were given and that differs."""

    name: str
    one: str
    other: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDiff:
    """One step of both runs. What one of them lacks is None."""

    number: int
    codes: tuple[str | None, str | None]
    outputs: tuple[str | None, str | None]
    """What was printed, echoed and raised."""
    same_calls: int
    """Sub-calls with the same messages to the same model in both."""
    only_one: int
    """Sub-calls that only the one made."""
    only_other: int
    other_answers: int
    """Sub-calls that both made and that were answered differently."""
    costs: tuple[float | None, float | None]
    """Dollars of the step's own calls; None if a price is not known."""

    @property
    def same_code(self) -> bool:
        """True if both ran the same code."""
        return self.codes[0] == self.codes[1]

    @property
    def same_output(self) -> bool:
        """True if both put out the same."""
        return self.outputs[0] == self.outputs[1]

    @property
    def same(self) -> bool:
        """True if nothing differs but costs and times."""
        calls = self.only_one or self.only_other or self.other_answers
        return self.same_code and self.same_output and not calls


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """Two runs beside each other."""

    one: Side
    other: Side
    settings: tuple[Setting, ...]
    steps: tuple[StepDiff, ...]

    @property
    def parts_at(self) -> StepDiff | None:
        """The first step that is not the same in both; None if all are."""
        return next((step for step in self.steps if not step.same), None)

    @property
    def same_answer(self) -> bool:
        """True if both ended alike, with the same answer."""
        return (self.one.status, self.one.answer) == (self.other.status, self.other.answer)


def diff(one: Sequence[AnyEvent], other: Sequence[AnyEvent]) -> Diff:
    """Compare two trajectories, from their first events on. Raises LookupError for one that has not begun."""
    trees = Tree(one), Tree(other)
    nodes = trees[0].root, trees[1].root
    return Diff(
        one=_side(trees[0]),
        other=_side(trees[1]),
        settings=tuple(_settings(*nodes)),
        steps=tuple(_steps(*nodes)),
    )


def _side(tree: Tree) -> Side:
    node = tree.root
    return Side(
        run=node.started.run,
        status=node.status,
        steps=sum(step.started is not None for step in node.steps),
        usage=tree.usage,
        seconds=(tree.last.at if tree.last else node.started.at) - node.started.at,
        answer=node.finished.answer if node.finished else "",
        error=node.finished.error if node.finished else None,
    )


def _settings(one: Node, other: Node) -> list[Setting]:
    sides = [_given(one), _given(other)]
    names = dict.fromkeys(name for side in sides for name in side)
    pairs = [(name, sides[0].get(name, ""), sides[1].get(name, "")) for name in names]
    return [Setting(name=name, one=mine, other=theirs) for name, mine, theirs in pairs if mine != theirs]


def _given(node: Node) -> dict[str, str]:
    started = node.started
    pack = f"{started.pack} {started.pack_hash}"
    given = {"question": started.question, "model": started.model, "sub-model": started.sub_model, "prompt pack": pack}
    given |= {f"context {context.name}": f"{context.type}\n{context.text}" for context in started.contexts}
    return given | {
        f"limit of {name}": "none" if limit is None else f"{limit:g}" for name, limit in started.limits.items()
    }


def _steps(one: Node, other: Node) -> list[StepDiff]:
    ours, theirs = _by_number(one), _by_number(other)
    return [_step(number, ours.get(number), theirs.get(number)) for number in sorted(ours.keys() | theirs.keys())]


def _by_number(node: Node) -> dict[int, Step]:
    return {step.number: step for step in node.steps if step.started or step.root_calls or step.sub_calls}


def _step(number: int, one: Step | None, other: Step | None) -> StepDiff:
    ours, theirs = _calls(one), _calls(other)
    asked = Counter(key for key, _ in ours.elements()), Counter(key for key, _ in theirs.elements())
    common = (asked[0] & asked[1]).total()
    return StepDiff(
        number=number,
        codes=(_code(one), _code(other)),
        outputs=(_output(one), _output(other)),
        same_calls=common,
        only_one=(asked[0] - asked[1]).total(),
        only_other=(asked[1] - asked[0]).total(),
        other_answers=common - (ours & theirs).total(),
        costs=(_cost(one), _cost(other)),
    )


_Asked = tuple[str, tuple[Message, ...]]


def _calls(step: Step | None) -> Counter[tuple[_Asked, str]]:
    """The sub-calls of a step: what was asked, with what came back."""
    return Counter(
        ((call.model, call.started.request.messages), _answer(call)) for call in (step.sub_calls if step else ())
    )


def _answer(call: Call) -> str:
    if call.finished is None:
        return ""
    return call.finished.reply.text if call.finished.reply else f"error: {call.finished.error}"


def _code(step: Step | None) -> str | None:
    return step.started.code if step and step.started else None


def _output(step: Step | None) -> str | None:
    return text_of(step.finished.output) if step and step.finished else None


def text_of(output: Output) -> str:
    """What an output says: printed, echoed and raised; not how long it took."""
    parts = [output.text, output.stderr.rstrip("\n"), str(output.failure) if output.failure else ""]
    return "\n".join(part for part in parts if part)


def _cost(step: Step | None) -> float | None:
    calls = [*step.root_calls, *step.sub_calls] if step else []
    return sum((call.usage for call in calls), Usage()).cost
