"""One step's code, compiled and run: what comes before the last statement, and the value of that one."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Literal

Kind = Literal["run", "value", "shown", "printed"]
"""run: statements. value: an expression whose value is the step's. shown: another expression that is echoed.
printed: a statement whose inner expressions go to ``sys.displayhook``, as at a Python prompt."""

Echo = Callable[[object, bool], None]
"""Shows a value; the flag asks for text alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Code that parsed."""

    source: str
    """Python source; what IPython's own syntax became."""
    filename: str
    """Unique to this code, so that tracebacks and ``inspect.getsource`` find it."""
    label: str
    """What to call the code in texts: ``Step 3``."""
    tree: ast.Module


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Code of one piece that runs as one."""

    code: CodeType
    kind: Kind
    text_only: bool = False
    quiet: bool = False

    @property
    def awaits(self) -> bool:
        """True if running it gives a coroutine."""
        return bool(self.code.co_flags & inspect.CO_COROUTINE)


@dataclass(kw_only=True, slots=True)
class Value:
    """The value of a step: of its last bare expression or last plain assignment."""

    value: object = None
    exists: bool = False


def name_code(source: str, step: int) -> tuple[str, str]:
    """The file name and the label of a step's code; its lines are found under that name from now on."""
    digest = hashlib.sha1(source.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:10]
    filename = f"<step-{step}-{digest}>"
    # A modification time of None keeps linecache from looking for a file.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return filename, f"Step {step}"


def parse(source: str, step: int) -> Piece:
    """Parse Python source.

    Raises:
        SyntaxError: and what else ``ast.parse`` raises.
    """
    filename, label = name_code(source, step)
    return Piece(source=source, filename=filename, label=label, tree=ast.parse(source, filename))


def compile_piece(piece: Piece, interactivity: str = "last_expr") -> tuple[Part, ...]:
    """Compile everything before anything runs, so that code that cannot be compiled changes nothing.

    Args:
        piece: the parsed code.
        interactivity: which bare expressions are echoed, in the words of IPython's ``ast_node_interactivity``.

    Raises:
        SyntaxError: for code that parses but does not compile, such as a ``return`` at the top.
    """
    nodes = piece.tree.body
    if not nodes:
        return ()
    quiet = interactivity == "none" or _ends_in_semicolon(piece.source, nodes[-1])
    flags = _flags(nodes)
    parts = [_part(piece.filename, kind, group, flags, quiet=quiet) for kind, group in _groups(nodes, interactivity)]
    target = _assigned_name(nodes[-1])
    if target is not None:
        code = compile(target.id, piece.filename, "eval")
        parts.append(Part(code=code, kind="value", text_only=True, quiet=quiet))
    return tuple(parts)


async def run_parts(parts: Sequence[Part], namespace: dict[str, object], echo: Echo, result: Value) -> None:
    """Run the parts in order. Needs an event loop only if a part awaits."""
    for part in parts:
        value = eval(part.code, namespace)  # noqa: S307  # running the model's code is what this package is for
        if part.awaits:
            value = await value
        if part.kind == "value":
            result.value, result.exists = value, True
        if part.kind in ("value", "shown") and not part.quiet:
            echo(value, part.text_only)


def _groups(nodes: Sequence[ast.stmt], interactivity: str) -> list[tuple[Kind, list[ast.stmt]]]:
    groups: list[tuple[Kind, list[ast.stmt]]] = []
    for node in nodes:
        kind = _kind(node, is_last=node is nodes[-1], interactivity=interactivity)
        if groups and kind == groups[-1][0] == "run":
            groups[-1][1].append(node)
        else:
            groups.append((kind, [node]))
    return groups


def _kind(node: ast.stmt, *, is_last: bool, interactivity: str) -> Kind:
    if isinstance(node, ast.Expr):
        if is_last:
            return "value"
        return "shown" if interactivity == "all" else "run"
    if interactivity == "all" or (interactivity == "last" and is_last):
        return "printed"
    return "run"


def _part(filename: str, kind: Kind, nodes: list[ast.stmt], flags: int, *, quiet: bool) -> Part:
    tree: ast.Module | ast.Interactive | ast.Expression
    only = nodes[0]
    if kind == "run":
        tree, mode = ast.Module(nodes, []), "exec"
    elif kind == "printed":
        tree, mode = ast.Interactive(nodes), "single"
    else:
        assert isinstance(only, ast.Expr)
        tree, mode = ast.Expression(only.value), "eval"
    code = compile(tree, filename, mode, flags, dont_inherit=True)
    return Part(code=code, kind=kind, quiet=quiet and kind == "value")


def _flags(nodes: Sequence[ast.stmt]) -> int:
    """Top-level await, and the step's own future imports, which each part needs apart."""
    features = importlib.import_module("__future__")
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(getattr(features, alias.name, None), "compiler_flag", 0)
    return flags


def _assigned_name(node: ast.stmt) -> ast.Name | None:
    """The name that a plain assignment gives a value to, as in ``x = ...`` and ``x += 1``."""
    target: ast.expr | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.AnnAssign) and node.value is not None):
        target = node.target
    return target if isinstance(target, ast.Name) else None


def _ends_in_semicolon(source: str, last: ast.stmt) -> bool:
    lines = source.splitlines()
    if last.end_lineno is None or last.end_lineno > len(lines):
        return False
    rest = lines[last.end_lineno - 1].encode("utf-8", "surrogatepass")[last.end_col_offset :]
    return rest.strip().startswith(b";")
