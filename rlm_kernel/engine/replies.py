"""Reading a model's reply: what in it is code to run.

The rules come from what other implementations met (see docs/architecture.md): nested fences, several blocks, blocks
said twice, a tag run together with the code, an unclosed fence, native tool-call markup, FINAL written as text,
nothing at all. Whatever the text, reading it gives one of the `Reading` values and never raises.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rlm_kernel.trajectory.records import Reply

PYTHON_TAGS = frozenset({"", "python", "python3", "py", "repl", "ipython", "jupyter", "tool_code", "pycon"})
_MOST_CLOSERS = 12  # how many closing fences are tried for one block
_MOST_BLOCKS = 200  # a reply that repeats itself without end holds more
_MOST_CHARS = 400_000  # a reply longer than this is read up to here

_OPENER = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([A-Za-z0-9_+.-]*)(.*)$")
_INLINE = re.compile(r"```(?:python3?|py|repl)?[ \t]([^`\n]+)```")
_THINKING = re.compile(r"^\s*<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL)
_TOOL_MARKUP = re.compile(
    r"<\|?(?:tool_call|function_call|python_tag|function)\b[^>]*>(.*?)(?:</?\|?\w+\|?>|\Z)", re.DOTALL
)
_FINAL_OPENED = re.compile(r"^[ \t]*(?:\*\*)?(?:FINAL|Final)\(", re.MULTILINE)
_MARKS = {0: None, 0xFEFF: None}  # characters that no code may hold: a null, a byte order mark
_CODE_KEYS = ("code", "source", "python", "input", "script", "command")


@dataclass(frozen=True, slots=True)
class Code:
    """Code to run. `text` is the argument of a bare ``FINAL(text)`` outside a fence, which may have meant the words."""

    source: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Prose:
    """Words and no code."""

    text: str


@dataclass(frozen=True, slots=True)
class TextFinal:
    """``FINAL(some words)`` written as text: the words are the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing, or nothing but thinking."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Native tool-call markup that holds no code."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Fenced blocks, none of them Python."""

    tag: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """The reply ran into its length limit in the middle of code."""


Reading = Code | Prose | TextFinal | Empty | ToolCall | Foreign | CutOff


@dataclass(frozen=True, slots=True)
class _Block:
    tag: str
    body: str
    closed: bool


def read(reply: Reply) -> Reading:  # noqa: PLR0911 - one return for each shape of a reply
    """What a reply asks for. Never raises, whatever the text."""
    text = _THINKING.sub("", reply.text[:_MOST_CHARS].translate(_MARKS)).replace("\r\n", "\n")
    if not text.strip():
        return _tool_code(reply.tool_calls) or (ToolCall() if reply.tool_calls else Empty())
    blocks = list(islice(_blocks(text), _MOST_BLOCKS))
    python = [block for block in blocks if _is_python(block)]
    if python:
        return _join(python, cut=reply.finish == "length")
    if code := _tool_code(reply.tool_calls) or _tool_code(tuple(m[1] for m in _TOOL_MARKUP.finditer(text))):
        return code
    if _TOOL_MARKUP.search(text):
        return ToolCall()
    if inline := [code for code in _inline(text) if parses(code) and _acts(code)]:
        return Code("\n".join(dict.fromkeys(inline)))
    if foreign := [block.tag for block in blocks if block.tag not in PYTHON_TAGS]:
        return Foreign(foreign[0])
    return _unfenced(text.strip(), cut=reply.finish == "length")


def parses(source: str) -> bool:
    """True for Python, IPython's magics and shell lines included."""
    plain = re.sub(r"(?m)^([ \t]*+)(?:[%!?]|[\w, ]+=[ \t]*[!%]).*$", r"\1pass", source)
    return _tree(plain) is not None


def final_calls(source: str) -> list[ast.Call]:
    """The calls of FINAL in code, in the order of the text's tree; none where it does not parse."""
    tree = _tree(source)
    if tree is None:
        return []
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.upper() == "FINAL"
    ]


def constant_final(source: str) -> bool:
    """True if the code gives a literal to FINAL: an answer that rests on nothing the code computed."""
    finals = final_calls(source)
    return bool(finals) and all(bool(node.args) and _is_literal(node.args[0]) for node in finals)


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=operand):
            return _is_literal(operand)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return all(_is_literal(item) for item in items)
        case ast.Dict(keys=keys, values=values):
            return all(_is_literal(item) for item in (*keys, *values) if item is not None)
        case _:
            return False


def _tree(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():  # "\d" in a plain string is the model's business
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_ACTING = (
    *(ast.Call, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.Delete),
    *(ast.Subscript, ast.Attribute, ast.BinOp, ast.For, ast.While, ast.If, ast.With, ast.FunctionDef, ast.ClassDef),
)
_DOING = _ACTING[:6]


def _acts(source: str, nodes: tuple[type[ast.AST], ...] = _ACTING) -> bool:
    """True if the code does something: a bare name or number in a fence is somebody's output."""
    tree = _tree(source)
    if tree is None:
        return bool(re.search(r"(?m)^[ \t]*[%!]\w", source))
    return any(isinstance(node, nodes) for node in ast.walk(tree))


def _blocks(text: str) -> Iterator[_Block]:
    """Fenced blocks. Where a string in the code holds a fence, the first closing that makes the block parse counts."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opener = _OPENER.match(lines[at])
        if not opener or "`" in opener[3]:
            at += 1
            continue
        fence, tag, rest = opener.groups()
        closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
        closers = list(islice((i for i in range(at + 1, len(lines)) if closing.match(lines[i])), _MOST_CLOSERS))
        head = [rest.strip()] if rest.strip().startswith("#") else []
        if not closers:
            yield _Block(tag.lower(), _body([*head, *lines[at + 1 :]]), closed=False)
            return
        bodies = {end: _body([*head, *lines[at + 1 : end]]) for end in closers}
        end = next((end for end in closers if bodies[end].strip() and parses(bodies[end])), closers[0])
        yield _Block(tag.lower(), bodies[end], closed=True)
        at = end + 1


def _body(lines: list[str]) -> str:
    """The code of a block, without the indentation and the ``>>>`` prompts it was quoted with."""
    if any(line.lstrip().startswith(">>> ") for line in lines):
        quoted = (line.lstrip() for line in lines)
        lines = [line[4:] for line in quoted if line.startswith((">>> ", "... "))]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines).strip("\n")


def _is_python(block: _Block) -> bool:
    if block.tag not in PYTHON_TAGS:
        return False
    return bool(block.tag) or (parses(block.body) and _acts(block.body))


def _join(blocks: list[_Block], *, cut: bool) -> Reading:
    bodies = list(dict.fromkeys(block.body.strip() for block in blocks if block.body.strip()))
    good = [body for body in bodies if parses(body)]
    if good:
        joined = "\n\n".join(good)
        return Code(joined if parses(joined) else good[0])
    if not bodies:
        return Empty()
    return CutOff() if cut or not blocks[-1].closed else Code(bodies[0])


def _tool_code(calls: tuple[str, ...]) -> Code | None:
    """Code given as an argument of a native tool call."""
    for text in calls:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        for source in _strings(value):
            if parses(source) and _acts(source):
                return Code(source.strip())
    return None


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key in (*_CODE_KEYS, "arguments", "parameters"):
                if key in value:
                    inner = value[key]
                    with_text = isinstance(inner, str) and inner.lstrip().startswith("{")
                    yield from _strings(_loaded(inner) if with_text else inner)


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _unfenced(text: str, *, cut: bool) -> Reading:
    if text.startswith("```") and cut:
        return CutOff()
    if parses(text) and _acts(text, _DOING):
        return Code(text, text=_final_words(text) if _FINAL_OPENED.match(text) else None)
    if (inner := _final_words(text)) is not None:
        call = f"FINAL({inner})"
        quoted = parses(call) and constant_final(call)
        return Code(call, text=inner) if quoted or parses(call) else TextFinal(inner)
    return Prose(text)


def _final_words(text: str) -> str | None:
    """What stands in ``FINAL(...)`` where that ends the text, decorated or not."""
    opened = _FINAL_OPENED.search(text)
    ending = text.rstrip(" \t").removesuffix(".").rstrip(" \t").removesuffix("**")
    if opened is None or not ending.endswith(")") or len(ending) <= opened.end():
        return None
    return ending[opened.end() : -1].strip()


def _inline(text: str) -> Iterator[str]:
    """What stands in fences within a line."""
    return (match[1].strip() for match in islice(_INLINE.finditer(text), _MOST_BLOCKS))


def lesson(reading: Reading) -> tuple[str, str]:
    """The pack's section for a reply without code, and what to call it."""
    match reading:
        case ToolCall():
            return "tool_call", "a tool call"
        case Foreign(tag):
            return "foreign", f"code in another language ({tag[:20]})"
        case CutOff():
            return "cut_off", "cut off in the middle of its code"
        case Empty():
            return "empty", "empty"
        case _:
            return "prose", "prose without code"


def last_words(reply: Reply) -> str:
    """The end of a reply, for an error's text."""
    return repr(" ".join(reply.text.split())[-160:])
