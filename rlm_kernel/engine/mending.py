"""Small repairs of a small model's code before it runs; what runs is what stands in the trajectory."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from rlm_kernel.engine.replies import final_calls

_TAKE_COLUMNS = frozenset(
    {
        "groupby",
        "sort_values",
        "nlargest",
        "nsmallest",
        "dropna",
        "drop_duplicates",
        "set_index",
        "value_counts",
    }
)


def mend(source: str, fields: Collection[str]) -> str:
    """Code with columns spelled as they are, and with a value shown that its last line only gives a name.

    Args:
        source: the code; what does not parse is left as it is.
        fields: the columns of the tables that the question is about.
    """
    tree = _parsed(source)
    return source if tree is None else show_last_value(spell(source, tree, fields), tree)


def spell(source: str, tree: ast.Module, fields: Collection[str]) -> str:
    """Columns that differ from a real one in upper and lower case only, written as the real one."""
    real = {field.lower(): field for field in fields}
    ambiguous = len(real) < len(set(fields))
    made = {name for name, _ in _column_names(tree, ast.Store)}
    wrong = [
        (name, node)
        for name, node in _column_names(tree, ast.Load)
        if name not in fields and name not in made and name.lower() in real and node.lineno == node.end_lineno
    ]
    if ambiguous or not wrong:
        return source
    lines = source.encode().splitlines(keepends=True)
    for name, node in sorted(wrong, key=lambda found: (found[1].lineno, found[1].col_offset), reverse=True):
        line = lines[node.lineno - 1]
        written = repr(real[name.lower()]).encode()
        lines[node.lineno - 1] = line[: node.col_offset] + written + line[node.end_col_offset :]
    return b"".join(lines).decode()


def show_last_value(source: str, tree: ast.Module) -> str:
    """Code whose last line makes a name, and then shows it: a small model often forgets to."""
    match tree.body[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)])] if not final_calls(source):
            return f"{source.rstrip()}\n{name}"
        case _:
            return source


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # a magic, or broken: it is run as it is
        return None


def _column_names(tree: ast.AST, context: type[ast.expr_context]) -> Iterator[tuple[str, ast.Constant]]:
    """The texts in square brackets, and those given to methods that take columns."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=inside, ctx=ctx) if isinstance(ctx, context):
                yield from _texts(inside)
            case ast.Call(func=ast.Attribute(attr=method), args=given, keywords=named) if method in _TAKE_COLUMNS:
                if context is ast.Load:
                    for value in (*given, *(keyword.value for keyword in named)):
                        yield from _texts(value)


def _texts(node: ast.expr) -> Iterator[tuple[str, ast.Constant]]:
    for part in node.elts if isinstance(node, ast.List | ast.Tuple) else [node]:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value, part
