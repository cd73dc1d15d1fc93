"""Which figures in an answer no output ever showed: a remark for the reader, never a refusal.

A pre-registered test of another project found that such figures do not predict wrong answers (see
docs/architecture.md), so the remark informs and decides nothing.
"""

from __future__ import annotations

import re

from rlm_kernel.trajectory.tree import Node

_FIGURE = re.compile(r"(?<![\w.])\d[\d,]*\.?\d*(?!\w)")
_SHORTEST = 2  # digits: single ones are everywhere
_MOST = 5


def unseen_figures(answer: str, run: Node) -> tuple[str, ...]:
    """Figures of `answer` that the model typed and that stand in no output, reply or the question; a few at most.

    Figures that its code computed are not typed: they are as good as the code.
    """
    typed = _plain(_typed(answer, run))
    figures = {match.strip(",.") for match in _FIGURE.findall(answer)}
    figures = {figure for figure in figures if sum(ch.isdigit() for ch in figure) >= _SHORTEST}
    if not figures:
        return ()
    seen = _plain("\n".join(_evidence(run)))
    return tuple(sorted(f for f in figures if _plain(f) in typed and _plain(f) not in seen))[:_MOST]


def _typed(answer: str, run: Node) -> str:
    """What the model wrote itself: the code that called FINAL, or the answer where it was given in words."""
    last = run.steps[-1] if run.steps else None
    return last.started.code if last and last.started and last.finished and last.finished.final else answer


def _evidence(run: Node) -> list[str]:
    texts = [run.started.question, *(context.text for context in run.started.contexts)]
    for step in run.steps:
        texts += [step.finished.output.text] if step.finished else []
        texts += [c.finished.reply.text for c in step.sub_calls if c.finished and c.finished.reply]
    return texts


def _plain(text: str) -> str:
    return text.replace(",", "")
