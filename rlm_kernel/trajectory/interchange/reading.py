"""What a step's code reads and binds, decided on its syntax tree alone."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

_WORD = re.compile(r"[^\W\d]\w*")
_BUILTINS = frozenset(dir(builtins))
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_LOOKS = {"print", "display", "SHOW_VARS", "budget"}
"""Functions that show something and change nothing."""


_CHANGING = {"add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "fill", "insert", "pop"}
_CHANGING |= {"popitem", "popleft", "put", "remove", "reverse", "setdefault", "shuffle", "sort", "update", "write"}
"""Methods that change the value that they are called on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The names of a piece of code."""

    reads: frozenset[str]
    """Read before the piece binds them."""
    binds: frozenset[str]
    """Bound in any of its branches."""
    surely: frozenset[str]
    """Bound whenever it runs to its end."""
    changes: frozenset[str]
    """Names whose values it may change in place: items or attributes set, methods that do it called."""


def parsed(code: str) -> ast.Module | None:
    """The syntax tree; None for what is not plain Python, such as a cell with magics."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def names_of(code: str) -> Names:
    """The names of a step's code; of code that is not plain Python, every word of it."""
    tree = parsed(code)
    if tree is None:
        words = frozenset(word for word in _WORD.findall(code) if not keyword.iskeyword(word)) - _BUILTINS
        return Names(reads=words, binds=words, surely=frozenset(), changes=words)
    return names_in(tree.body)


def names_in(body: list[ast.stmt]) -> Names:
    """The names of statements that run one after the other."""
    reads: set[str] = set()
    binds: set[str] = set()
    surely: set[str] = set()
    changes: set[str] = set()
    for statement in body:
        reads |= set(_loads(statement)) - surely - _BUILTINS
        binds |= set(_stores(statement))
        changes |= set(_changed(statement))
        surely |= set(_sure_stores(statement))
    return Names(reads=frozenset(reads), binds=frozenset(binds), surely=frozenset(surely), changes=frozenset(changes))


def only_looks(statement: ast.stmt) -> bool:
    """True for a statement that shows something and has no other effect that is of use later."""
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in _LOOKS
    return not any(isinstance(node, ast.Call | ast.Await | ast.Yield | ast.NamedExpr) for node in ast.walk(value))


def _loads(node: ast.AST) -> Iterator[str]:
    """Names that are read, those of inner scopes too, save for what these bind themselves."""
    match node:
        case ast.Name(id=name, ctx=ast.Load() | ast.Del()):
            yield name
        case ast.AugAssign(target=ast.Name(id=name)):
            yield name
        case ast.Call(func=ast.Name(id="FINAL_VAR"), args=[ast.Constant(value=str(name))]):
            yield name
    inner = [name for child in ast.iter_child_nodes(node) for name in _loads(child)]
    own = _own_names(node)
    yield from (name for name in inner if name not in own)


def _own_names(node: ast.AST) -> frozenset[str]:
    """What a scope binds for itself."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [one for one in (arguments.vararg, arguments.kwarg) if one]
            body = node.body if isinstance(node.body, list) else []
            outside = {name for one in ast.walk(node) if isinstance(one, ast.Global) for name in one.names}
            return frozenset({one.arg for one in every} | {name for one in body for name in _stores(one)}) - outside
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return frozenset(name for part in node.generators for name in _stores(part.target))
    return frozenset()


def _stores(node: ast.AST) -> Iterator[str]:
    """Names that are bound in this scope."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            yield from (name for one in ast.walk(node) if isinstance(one, ast.Global) for name in one.names)
        case ast.alias():
            yield node.asname or node.name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
    if isinstance(node, _SCOPES):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(node, _COMPREHENSIONS) and isinstance(child, ast.comprehension):
            yield from (name for one in (child.iter, *child.ifs) for name in _stores(one))
        else:
            yield from _stores(child)


def _sure_stores(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement binds whichever way it goes."""
    match statement:
        case ast.If(body=body, orelse=other):
            yield from set(_all_sure(body)) & set(_all_sure(other))
        case ast.With(body=body) | ast.AsyncWith(body=body):
            yield from (name for item in statement.items if item.optional_vars for name in _stores(item.optional_vars))
            yield from _all_sure(body)
        case ast.Try(body=body, handlers=handlers, finalbody=last):
            ways = [set(_all_sure(body)), *(set(_all_sure(handler.body)) for handler in handlers)]
            yield from set.intersection(*ways) | set(_all_sure(last))
        case ast.For() | ast.AsyncFor() | ast.While() | ast.Match() | ast.Delete():
            return
        case _:
            yield from _stores(statement)


def _all_sure(body: list[ast.stmt]) -> Iterator[str]:
    return (name for statement in body for name in _sure_stores(statement))


def _changed(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        match one:
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                yield from _root(one)
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name
            case ast.Call(func=ast.Attribute(attr=method)) if method in _CHANGING or _is_in_place(one):
                yield from _root(one.func)
            case ast.Call(func=ast.Name(id="setattr" | "delattr" | "next"), args=[first, *_]):
                yield from _root(first)
            case ast.Expr(value=ast.Call(func=function, args=args)) if not _is_known(function):
                yield from (name for arg in args for name in _root(arg))  # its result is of no use, so its effect is


def _is_in_place(call: ast.Call) -> bool:
    return any(one.arg == "inplace" for one in call.keywords)


def _is_known(function: ast.expr) -> bool:
    """True for a function that changes none of its arguments."""
    return isinstance(function, ast.Name) and function.id in _LOOKS | _BUILTINS | {"FINAL", "FINAL_VAR"}


def _root(node: ast.AST) -> Iterator[str]:
    """The name that an item, an attribute or a plain name hangs on."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
