"""The code that led to an answer as one clean cell: steps that led nowhere are left out, and what only looked."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.trajectory.interchange import reading
from rlm_kernel.trajectory.interchange.at_hand import at_hand
from rlm_kernel.trajectory.interchange.reading import Names
from rlm_kernel.trajectory.records import Failure
from rlm_kernel.trajectory.tree import Node, Step, Tree

_WIDTH = 100
_STUBS = {
    "FINAL": "def FINAL(value):\n    global answer\n    answer = value",
    "FINAL_VAR": "def FINAL_VAR(name):\n    global answer\n    answer = globals()[name]",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A step whose code led to the answer."""

    number: int
    code: str
    names: Names


def cell(events: Sequence[AnyEvent]) -> str:
    """The cell's source."""
    node = Tree(events).root
    kept = led_to_the_answer(node)
    code = [_without_looks(_with_answer(step.code)) for step in kept]
    free = _free(kept)
    parts = [_head(node, kept), at_hand(free, node), *_stubs(code)]
    parts += [part for part in code if part.strip()]
    if any("answer" in reading.names_of(part).binds for part in parts):
        parts.append("answer")
    return "\n\n".join(part.rstrip() for part in parts if part.strip()) + "\n"


def led_to_the_answer(node: Node) -> list[Kept]:
    """The steps without dead ends: the last one, and before it those that bind or change what a later one reads."""
    ran = [step for step in sorted(node.steps, key=lambda step: step.number) if step.started and step.finished]
    final = next((step for step in ran if step.finished and step.finished.final), None)
    kept: list[Kept] = []
    wanted: frozenset[str] = frozenset()
    for step in reversed(ran):
        is_last = step is final or (final is None and not kept and not _failure(step))
        for piece in _pieces(step):
            if is_last or (kept and (piece.names.binds | piece.names.changes) & wanted):
                kept.append(piece)
                wanted = (wanted - piece.names.surely) | piece.names.reads
    return kept[::-1]


def _pieces(step: Step) -> list[Kept]:
    """What ran of a step, last things first: all of it, or the statement that failed and what stands before it."""
    code = step.started.code if step.started else ""
    failure = _failure(step)
    if failure is None:
        return [Kept(number=step.number, code=code, names=_seen_too(step, reading.names_of(code)))]
    tree = reading.parsed(code)
    line = _failing_line(step, failure)
    if tree is None or line is None:
        return []
    whole = [statement for statement in tree.body if (statement.end_lineno or 0) < line]
    before = "\n".join(code.split("\n")[: whole[-1].end_lineno]) if whole else ""
    failed = tree.body[len(whole) : len(whole) + 1]
    pieces = [Kept(number=step.number, code=before, names=_seen_too(step, reading.names_of(before)))]
    if failed:
        text = _source(code, failed[0])
        tried = f"try:\n{textwrap.indent(text, '    ')}\nexcept Exception:\n    pass  # it failed so in the run too"
        pieces.insert(0, Kept(number=step.number, code=tried, names=_effects(failed[0])))
    return pieces


def _source(code: str, statement: ast.stmt) -> str:
    """A statement's own text, or one that can be indented, where a string in it goes over several lines."""
    strings = [one for one in ast.walk(statement) if isinstance(one, ast.Constant | ast.JoinedStr)]
    if any(one.end_lineno != one.lineno for one in strings):
        return ast.unparse(statement)
    return ast.get_source_segment(code, statement, padded=True) or ""


def _effects(statement: ast.stmt) -> Names:
    """What a statement that failed may have done before: a plain assignment bound nothing."""
    names = reading.names_in([statement])
    bound = frozenset() if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign) else names.binds
    return Names(reads=names.reads | names.changes, binds=bound, surely=frozenset(), changes=names.changes)


def _failing_line(step: Step, failure: Failure) -> int | None:
    """The line of the statement that failed; `failure.line` may be one of a function that it called."""
    first = re.search(rf"^ +(?:Cell )?[Ss]tep {step.number}, line (\d+)", failure.traceback, re.MULTILINE)
    return int(first[1]) if first else failure.line


def _failure(step: Step) -> Failure | None:
    return step.finished.output.failure if step.finished else None


def _seen_too(step: Step, names: Names) -> Names:
    """What the code says, and what was seen to change when it ran."""
    changes = step.finished.output.changes if step.finished else ()
    seen = frozenset(change.name for change in changes if change.how == "mutated")
    return Names(reads=names.reads, binds=names.binds, surely=names.surely, changes=names.changes | seen)


def _free(kept: Sequence[Kept]) -> set[str]:
    """Names that the kept code reads and does not bind itself."""
    free: set[str] = set()
    bound: set[str] = set()
    for step in kept:
        free |= step.names.reads - bound
        bound |= step.names.binds
    return free


def _with_answer(code: str) -> str:
    """The code with ``FINAL(value)``, where it stands alone, as an assignment."""
    tree = reading.parsed(code)
    for statement in reversed(tree.body if tree else []):
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Name(id="FINAL"), args=[value], keywords=[])):
                answer = ast.get_source_segment(code, value) or ""
                if not isinstance(value, ast.Constant | ast.Name | ast.Attribute | ast.Call) and "\n" in answer:
                    answer = f"({answer})"
            case ast.Expr(value=ast.Call(func=ast.Name(id="FINAL_VAR"), args=[ast.Constant(value=str(answer))])):
                pass
            case _:
                continue
        code = _replaced(code, statement, f"answer = {answer}")
    return code


def _without_looks(code: str) -> str:
    """The code without statements that only show something."""
    tree = reading.parsed(code)
    for statement in reversed(tree.body if tree else []):
        if reading.only_looks(statement):
            code = _replaced(code, statement, "")
    return code


def _replaced(code: str, statement: ast.stmt, text: str) -> str:
    """The code with another text for a statement; its line goes if nothing is left on it."""
    lines = code.encode().split(b"\n")  # the tree counts bytes
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    before, after = lines[first][: statement.col_offset], lines[last][statement.end_col_offset :]
    if not text:
        after = after.lstrip(b" ;")
        if after.startswith(b"#"):
            after = b""
        before = before if after else before.rstrip(b" ;")
    line = before + text.encode() + after
    lines[first : last + 1] = [line] if line.strip() else []
    return b"\n".join(lines).decode()


def _head(node: Node, kept: Sequence[Kept]) -> str:
    started = node.started
    said = [f"Question: {' '.join(started.question.split())}"]
    said += [
        f"It needs {context.name}: {' '.join((context.summary or context.type).split())}"
        for context in started.contexts
    ]
    numbers = list(dict.fromkeys(str(step.number) for step in kept))
    said.append(f"From run {started.run}, {'step' if len(numbers) == 1 else 'steps'} {', '.join(numbers) or 'none'}")
    if kept and not any("FINAL" in step.code for step in kept):
        said.append("The answer itself was given in words, not by code")
    lines = [line for text in said for line in textwrap.wrap(text, _WIDTH, subsequent_indent="  ")]
    return "\n".join(f"# {_one_line(line)}" for line in lines)


def _one_line(text: str) -> str:
    """A text that stays inside its comment."""
    return "".join(ch if ch.isprintable() else "?" for ch in text)


def _stubs(code: Sequence[str]) -> list[str]:
    """Definitions of FINAL and the like where a call of it does not stand alone."""
    read = {name for part in code for name in reading.names_of(part).reads}
    return [stub for name, stub in _STUBS.items() if name in read]
