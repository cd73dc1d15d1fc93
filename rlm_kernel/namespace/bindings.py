"""What a step's syntax tree can do to names: bind, delete, mention."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

_REACHES_ALL = frozenset({"exec", "eval", "globals", "vars", "locals", "setattr", "delattr", "__main__"})
"""Names whose use may bind any other name."""
_REACHES_ALL_BY = frozenset({"__dict__", "__globals__", "f_globals", "f_locals", "user_ns", "user_global_ns"})
"""Attributes whose use may."""
_HARMLESS_SHELL = frozenset({"system", "getoutput"})
"""Methods of the shell that bind no name."""

_WORD = re.compile(r"[^\W\d]\w*")
_WORDY_CHARS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class StepNames:
    """The names in one step's code."""

    binds: frozenset[str]
    """Names that it binds or deletes itself, at the top or through ``global``."""
    declared: frozenset[str]
    """Names that a function in it declares global: a later step may bind them by calling it."""
    deletes: frozenset[str]
    mentions: frozenset[str]
    anything: bool
    """True if it may bind any name at all: it uses ``exec``, ``globals()``, a magic..."""
    agents: frozenset[str]
    """Functions, classes and methods in it that may bind any name: so may a later step that mentions them."""

    def can_bind(self, name: str) -> bool:
        """Whether a change of `name` may come from this code."""
        return self.anything or name in self.binds


def names_in(tree: ast.Module) -> StepNames:
    """Read them from a step's tree, after IPython's own syntax was transformed."""
    reader = _Reader()
    reader.visit(tree)
    return StepNames(
        binds=frozenset(reader.binds | reader.declared),
        declared=frozenset(reader.declared),
        deletes=frozenset(reader.deletes),
        mentions=frozenset(reader.mentions),
        anything=reader.anything,
        agents=frozenset(reader.agents),
    )


class _Reader(ast.NodeVisitor):
    """Walks the tree; knows whether it is in a scope of its own, where names are local."""

    def __init__(self) -> None:
        self.binds: set[str] = set()
        self.declared: set[str] = set()
        self.deletes: set[str] = set()
        self.mentions: set[str] = set()
        self.agents: set[str] = set()
        self.anything = False
        self._local = False
        self._comprehension = False

    def visit_Name(self, node: ast.Name) -> None:
        self.mentions.add(node.id)
        if node.id in _REACHES_ALL:
            self.anything = True
        if isinstance(node.ctx, ast.Load) or self._local:
            return
        if not self._comprehension:
            self._bind(node.id)
        if isinstance(node.ctx, ast.Del):
            self.deletes.add(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        # A walrus inside a comprehension binds outside of it.
        if not self._local:
            self._bind(node.target.id)
        self.visit(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.mentions.add(node.attr)
        if node.attr in _REACHES_ALL_BY or (node.attr == "modules" and _is_named(node.value, "sys")):
            self.anything = True
        if _is_shell(node.value):
            self.anything = self.anything or node.attr not in _HARMLESS_SHELL
            return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _is_shell(node) or any(isinstance(one, ast.Constant) and one.value == "__main__" for one in node.args):
            self.anything = True  # the shell or the namespace itself is passed on: anything may be done with it
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        # Code in strings (magics, exec, DataFrame.eval) mentions names too; words that are no names do no harm.
        if isinstance(node.value, str) and len(node.value) <= _WORDY_CHARS:
            self.mentions.update(_WORD.findall(node.value))

    def visit_Import(self, node: ast.Import) -> None:
        self._imported(alias.asname or alias.name.partition(".")[0] for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._imported(alias.asname or alias.name for alias in node.names)

    def visit_Global(self, node: ast.Global) -> None:
        self.declared.update(node.names)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._bind_if_named(node.name)
        if node.name and not self._local:
            self.deletes.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._bind_if_named(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._bind_if_named(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._bind_if_named(node.rest)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scope(node, node.name, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._scope(node, node.name, node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope(node, node.name, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inside([node.body])
        for default in (*node.args.defaults, *(one for one in node.args.kw_defaults if one)):
            self.visit(default)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehend(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehend(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehend(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehend(node)

    def _comprehend(self, node: ast.AST) -> None:
        outer, self._comprehension = self._comprehension, True
        self.generic_visit(node)
        self._comprehension = outer

    def _scope(self, node: ast.AST, name: str, body: Iterable[ast.AST]) -> None:
        self._bind_if_named(name)
        before, self.anything = self.anything, False
        self._inside(body)
        if self.anything:
            self.agents.add(name)
        self.anything = self.anything or before
        body = set(body)
        for child in ast.iter_child_nodes(node):
            if child not in body:
                self.visit(child)

    def _inside(self, body: Iterable[ast.AST]) -> None:
        outer, self._local = self._local, True
        for node in body:
            self.visit(node)
        self._local = outer

    def _imported(self, names: Iterable[str]) -> None:
        for name in names:
            if name == "*" or name in _REACHES_ALL:
                self.anything = True
            self._bind_if_named(name)

    def _bind_if_named(self, name: str | None) -> None:
        if name and not self._local:
            self._bind(name)

    def _bind(self, name: str) -> None:
        self.binds.add(name)


def _is_shell(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _is_named(node.func, "get_ipython")


def _is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
