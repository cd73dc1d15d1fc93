"""The kernel "Python 3 (RLM)": IPython with the extension loaded, where a cell may be a question.

    @flights which carrier was late most often?
    @flights @airports which airport lost most time?
    @ which of my tables mention Graz?

The rule guesses nothing: see `question_in`. Such a cell becomes a ``%%rlm`` cell before IPython sees it, so everything
else (options, errors, output) is the magic's. All other cells go to IPython as they are.
"""

from __future__ import annotations

import codeop
import keyword
import re
import sys
from dataclasses import dataclass
from typing import Any

from ipykernel.ipkernel import IPythonKernel

from rlm_kernel._version import __version__

_EXTENSION = "rlm_kernel"
_BANNER = "RLM: `@name your question` asks about a variable, `@ your question` about them all; `%%rlm?` tells more."

_OPENING = re.compile(
    r"""
    @(?P<names> [^\W\d]\w* (?:[ \t]+ @[^\W\d]\w*)* )?  # @flights @airports; nothing after a bare @
    [ \t]+
    (?P<text> \w [^\s()\[\]{}=@]* (?: \s .* )? )       # a first word that is no call, index or assignment
    """,
    re.VERBOSE,
)
_DEFINITION = re.compile(r"\s* (?: @.*\n \s* )* (?: async\s+def | def | class ) \s+ \w+ \s* [(\[:]", re.VERBOSE)
_EMPTY_LINES = re.compile(r"(?:[ \t]*\n)*")


@dataclass(frozen=True, slots=True)
class CellQuestion:
    """A cell that asks, taken apart."""

    names: tuple[str, ...]
    """The variables that it names at its beginning."""
    text: str

    @property
    def cell(self) -> str:
        """The cell that IPython runs in its place."""
        return " ".join(("%%rlm", *self.names)) + "\n" + self.text


def question_in(cell: str) -> CellQuestion | None:
    """The question that a cell asks, or None if it is Python.

    A cell asks if all of this holds for the first line that is not empty:

    1. It is ``@``, or ``@name`` once or more, then a space, then a word. The ``@`` is the line's first character, and
       the word holds no bracket and no ``=``.
    2. No Python program can begin with it, as Python's own compiler says: ``@property``, ``@a.b(c)``, ``@x @ y`` and
       ``@cached if fast else plain`` are decorators.
    3. No function or class is defined right below it: then it is a decorator with a mistake, and Python shows that.
    """
    lines = cell.replace("\r\n", "\n").replace("\r", "\n")
    line, _, below = _EMPTY_LINES.sub("", lines, count=1).partition("\n")
    opening = _OPENING.fullmatch(line)
    if opening is None or _may_begin_python(line) or _DEFINITION.match(below):
        return None
    names = tuple((opening["names"] or "").replace("@", "").split())
    if any(map(keyword.iskeyword, names)):
        return None
    return CellQuestion(names, f"{opening['text']}\n{below}".rstrip() + "\n")


def _may_begin_python(line: str) -> bool:
    try:
        codeop.compile_command(line, symbol="exec")
    except (SyntaxError, ValueError, OverflowError):
        return False
    except (MemoryError, RecursionError):  # nested too deep to tell, so it is no question
        return True
    return True


class RLMKernel(IPythonKernel):
    """IPython's kernel with ``%%rlm`` there from the start, and cells that ask."""

    implementation = "rlm"
    implementation_version = __version__

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.help_links = [
            {"text": "Recursive Language Models", "url": "https://arxiv.org/abs/2512.24601"},
            *self.help_links,
        ]
        self._unsaid = self._load_extension()

    @property
    def banner(self) -> str:  # type: ignore[override]  # a property in IPythonKernel too
        """What a console shows at the start."""
        return f"{super().banner}{_BANNER}\n"

    async def do_execute(self, code: str, silent: bool, *args: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: FBT001 - the base's
        """Run a cell; one that asks is run as the ``%%rlm`` cell that it stands for."""
        question = None if silent else question_in(code)
        if self._unsaid and not silent:
            print(self._unsaid, file=sys.stderr)  # noqa: T201 - for the user, in the cell
            self._unsaid = ""
        reply: dict[str, Any] = await super().do_execute(question.cell if question else code, silent, *args, **kwargs)
        return reply

    def do_is_complete(self, code: str) -> dict[str, str]:  # type: ignore[override]  # not async in IPythonKernel either
        """A question is complete at each line's end; all else is IPython's to judge."""
        if question_in(code):
            return {"status": "complete"}
        status: dict[str, str] = super().do_is_complete(code)
        return status

    def _load_extension(self) -> str:
        """Load the extension; gives what to tell the user if that fails, because Python cells work without it."""
        shell: Any = self.shell
        try:
            shell.extension_manager.load_extension(_EXTENSION)
        except Exception as exc:
            self.log.exception("cannot load %s", _EXTENSION)
            reason = f"{type(exc).__name__}: {exc}".splitlines()[0]
            return f"rlm: Python cells work, questions and %%rlm do not: {_EXTENSION} did not load ({reason})"
        return ""
