"""Is the local model right? Real questions over real tables and long texts, as an RLM and asked directly.

    python benchmarks/local_model.py --half dev --kind table --out dev.json --trace traces
    python benchmarks/local_model.py --half apart --out apart.json          prints totals only
    python benchmarks/local_model.py --half dev --method direct --out dev.json
    python benchmarks/local_model.py --check                                computes every answer, asks nothing

The data comes from the packages of the `bench` dependency group. A run can be broken off and started again: what is in
--out is not asked again. The half kept apart shows nothing but totals unless --show is given.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from questions import contexts
from questions.apart import APART
from questions.asking import ANSWER_CHARS, EXPECTED, Answered, ByRLM, Direct, failed
from questions.dev import DEV
from questions.question import Half, Question, fault
from questions.results import Result, Results, table
from questions.scoring import is_right, plain

from rlm_kernel.errors import RLMError

HALVES = {half.name: half for half in (DEV, APART)}
Ask = Callable[[Question, Any], Answered]


def main(arguments: list[str] | None = None) -> int:
    """Ask, or check, as the command line says."""
    options = _parser().parse_args(arguments)
    try:
        if options.jargon:
            contexts.use_jargon(options.jargon)
        if options.check:
            return check(show=options.show)
        return evaluate(options)
    except (RuntimeError, RLMError, ValueError) as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=sorted(HALVES), default="dev")
    parser.add_argument("--kind", choices=["table", "text", "needle", "all"], default="all")
    parser.add_argument("--method", choices=["rlm", "direct"], default="rlm")
    parser.add_argument("--only", action="append", metavar="ID", help="ask this question alone; may be repeated")
    parser.add_argument("--out", type=Path, metavar="JSON", help="keep results here and go on from them")
    parser.add_argument("--trace", type=Path, metavar="DIR", help="write one readable file a question")
    parser.add_argument("--show", action="store_true", help="show the questions and answers of the half kept apart")
    parser.add_argument(
        "--check", action="store_true", help="compute every right answer and see that it is worth asking"
    )
    parser.add_argument("--jargon", type=Path, metavar="PATH", help="the Jargon File as text, for questions over it")
    parser.add_argument("--model", default=None, help="another model than the bundled one; with --base-url")
    parser.add_argument("--base-url", default=None)
    parser.add_argument("--temperature", type=float, default=None)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--max-steps", type=int, default=None)
    parser.add_argument("--max-seconds", type=float, default=300.0, help="limit for one question; default 300")
    return parser


def evaluate(options: argparse.Namespace) -> int:
    """Ask the chosen questions and print what came of them."""
    if options.base_url and not options.model:
        raise ValueError("--base-url needs --model, the name that the server knows")
    half = HALVES[options.half]
    hidden = half is APART and not options.show
    if hidden and options.trace:
        raise ValueError("traces of the half kept apart would show it; add --show if that is meant")
    chosen = select(half, options.kind, options.only)
    setup = {name: getattr(options, name) for name in ("model", "temperature", "seed", "max_steps", "max_seconds")}
    results = Results(options.out, setup)
    todo = [question for question in chosen if not results.has(half.name, options.method, question.id)]
    if todo:
        _ask_all(todo, half.name, options, results, hidden=hidden)
    ids = {question.id for question in chosen}
    print(table(result for result in results if result.half == half.name and result.id in ids))
    return 0


def _ask_all(todo: list[Question], half: str, options: argparse.Namespace, results: Results, *, hidden: bool) -> None:
    one = _one_unseen if hidden else _one
    with contextlib.ExitStack() as stack:
        ask = _method(options, stack)
        for question in todo:
            result = one(half, options.method, question, ask)
            results.add(result)
            if not hidden:
                print(_line(question, result), flush=True)


def select(half: Half, kind: str, only: list[str] | None) -> list[Question]:
    """The questions that the command line asks for. Raises ValueError for an unknown id."""
    ready = [question for question in half if contexts.has_jargon() or not question.optional]
    unknown = set(only or ()) - {question.id for question in ready}
    if unknown:
        raise ValueError(f"the half {half.name} has no question {', '.join(sorted(unknown))}")
    return [question for question in ready if kind in ("all", question.kind) and (not only or question.id in only)]


def _method(options: argparse.Namespace, stack: contextlib.ExitStack) -> Ask:
    from rlm_kernel.budget import Limits
    from rlm_kernel.config import LOCAL
    from rlm_kernel.session import Session

    session = Session()
    wanted = {"model": options.model or LOCAL, "base_url": options.base_url}
    model = session.model(None, session.settings(wanted))
    drawing = {name: getattr(options, name) for name in ("temperature", "seed") if getattr(options, name) is not None}
    if options.method == "direct":
        return stack.enter_context(contextlib.closing(Direct(model, drawing)))
    limits = {"seconds": options.max_seconds} | ({"steps": options.max_steps} if options.max_steps else {})
    return ByRLM(model=model, limits=Limits(**limits), options=drawing, traces=options.trace)


def _one(half: str, method: str, question: Question, ask: Ask) -> Result:
    value = question.load()
    gold = question.solve(value)
    started = time.monotonic()
    try:
        answered = ask(question, value)
    except EXPECTED as exc:
        answered = failed(exc, time.monotonic() - started)
    return Result(
        id=question.id,
        half=half,
        kind=question.kind,
        method=method,
        right=answered.value is not None and is_right(gold, answered.value, question.text),
        answer=_shown(answered.value),
        status=answered.status,
        steps=answered.steps,
        calls=answered.calls,
        input_tokens=answered.input_tokens,
        output_tokens=answered.output_tokens,
        seconds=round(answered.seconds, 2),
        sent=answered.sent,
        error=answered.error,
    )


def _one_unseen(half: str, method: str, question: Question, ask: Ask) -> Result:
    """As `_one`, and nothing of the question reaches the screen, whatever a run prints or raises."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            result = _one(half, method, question, ask)
            return replace(result, answer="", error="")  # nor into the file
    except contexts.DataMissing:
        raise
    except Exception as exc:
        raise RuntimeError(f"a question kept apart ended in {type(exc).__name__}; --show shows where") from None


def _shown(value: object) -> str:
    return "" if value is None else " ".join(str(plain(value)).split())[:ANSWER_CHARS]


def _line(question: Question, result: Result) -> str:
    mark = "right" if result.right else "WRONG"
    gold = _gold(question) if not result.right else ""
    return (
        f"{mark} {result.id:28} {result.status:7} {result.steps} steps {result.calls} calls "
        f"{result.input_tokens + result.output_tokens:6,} tokens {result.seconds:6.1f} s  {result.answer[:70]!r}{gold}"
        f"{'  ' + result.error[:100] if result.error else ''}"
    )


def _gold(question: Question) -> str:
    gold = question.solve(question.load())
    said = getattr(gold, "forms", None) or getattr(gold, "names", None) or gold
    return f"  wanted {said}"


def check(*, show: bool) -> int:
    """Compute every right answer and say which question is not worth asking."""
    bad = 0
    for half in HALVES.values():
        ready = select(half, "all", None)
        for question in ready:
            problem = _problem(question)
            if problem:
                bad += 1
                print(f"{half.name} {question.id}: {problem if show or half is DEV else 'not fit to be asked'}")
        kinds = Counter(question.kind for question in ready)
        print(f"{half.name}: {len(ready)} questions ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})")
    return 1 if bad else 0


def _problem(question: Question) -> str | None:
    try:
        value = question.load()
        gold = question.solve(value)
    except contexts.DataMissing:
        raise
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"
    if not is_right(gold, _as_answer(gold), question.text):
        return "its own answer is marked wrong"
    return fault(gold) or _trivial(gold, value)


def _as_answer(gold: Any) -> object:
    """A right answer as a model would give it."""
    if forms := getattr(gold, "forms", None):
        return forms[0]
    return list(names) if (names := getattr(gold, "names", None)) else gold


def _trivial(gold: Any, value: Any) -> str | None:
    if isinstance(gold, int) and hasattr(value, "__len__") and gold == len(value):
        return "the answer is the size of the data"
    return None


if __name__ == "__main__":
    sys.exit(main())
