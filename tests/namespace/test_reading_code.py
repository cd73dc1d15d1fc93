"""What a syntax tree can bind, read from the tree; checked against what running it binds."""

import ast
import dis

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.namespace.bindings import names_in
from rlm_kernel.namespace.protection import _entries, protecting_blocks


def read(code):
    return names_in(ast.parse(code))


@pytest.mark.parametrize(
    ("code", "binds"),
    [
        ("a = b.c = d[0] = 1", {"a"}),
        ("a, *b = c", {"a", "b"}),
        ("[a for a in b]", set()),
        ("[(a := c) for c in b]", {"a"}),
        ("lambda a: (b := 1)", set()),
        ("def f(a=(b := 1)):\n    c = 1", {"f", "b"}),
        ("class A(B):\n    x = 1\n    def m(self): y = 2", {"A"}),
        ("def f():\n    def g():\n        global deep\n        deep = 1", {"f", "deep"}),
        ("import a.b, c as d\nfrom e import f, g as h", {"a", "d", "f", "h"}),
        ("for a, b in c:\n    pass\nelse:\n    d = 1", {"a", "b", "d"}),
        ("with a as b, c as (d, e): pass", {"b", "d", "e"}),
        ("try: pass\nexcept E as e: pass", {"e"}),
        ("match x:\n    case [a, *b]: pass\n    case {'k': c, **d}: pass\n    case P(e) as f: pass", set("abcdef")),
        ("del a, b.c", {"a"}),
        ("a: int\nb: int = 1", {"a", "b"}),
        ("async def f(): pass", {"f"}),
    ],
)
def test_what_a_step_binds(code, binds):
    """At the top and through global; what is local to a function, a class or a comprehension is not."""
    found = read(code)
    assert found.binds == binds
    assert not found.anything


@pytest.mark.parametrize(
    "code",
    [
        "exec('x = 1')",
        "globals()['x'] = 1",
        "f = eval",
        "vars().update(x=1)",
        "from m import *",
        "import __main__",
        "import sys\nsys.modules['__main__'].x = 1",
        "from importlib import import_module\nimport_module('__main__').x = 1",
        "f.__globals__['x'] = 1",
        "get_ipython().run_line_magic('time', 'x = 1')",
        "get_ipython().user_ns['x'] = 1",
        "shell = get_ipython()",
        "def f():\n    exec('x = 1', globals())",
        "setattr(module, 'x', 1)",
    ],
)
def test_what_may_bind_anything(code):
    """Reflection, magics and the shell itself."""
    assert read(code).anything
    assert read(code).can_bind("whatever")


@pytest.mark.parametrize("code", ["get_ipython().system('ls')", "x = get_ipython().getoutput('ls')", "obj.eval('x')"])
def test_what_may_not(code):
    """Commands, and methods that are only named alike."""
    assert not read(code).anything


def test_functions_that_may_bind_anything_are_named():
    """A later step that mentions one may bind anything too."""
    found = read("def act(): exec('x')\nclass Doer:\n    def do(self): globals().clear()\ndef good(): pass")
    assert found.agents == {"act", "Doer", "do"}


def test_words_in_strings_are_mentions():
    """Code in strings reaches variables too."""
    assert {"df", "sales"} <= read("get_ipython().run_cell_magic('time', '', 'df[1] = sales')").mentions


STATEMENTS = [
    "{n} = 1",
    "{n}, {m} = 1, 2",
    "for {n} in [1]: pass",
    "def {n}(): {m} = 1",
    "class {n}: {m} = 1",
    "[{n} for {n} in [1]]",
    "[({n} := 1) for {m} in [1]]",
    "import json as {n}",
    "with open('/dev/null') as {n}: pass",
    "try:\n    1 / 0\nexcept Exception as {n}: pass",
    "match [1, 2]:\n    case [{n}, *{m}]: pass",
    "def set_{n}():\n    global {n}\n    {n} = 1\nset_{n}()",
    "lambda: ({n} := 1)",
    "{n}: int = 3",
]


@given(st.lists(st.tuples(st.sampled_from(STATEMENTS), st.sampled_from("abc"), st.sampled_from("xyz")), max_size=6))
def test_what_running_binds_is_what_was_read(statements):
    """For any sequence of binding statements."""
    code = "\n".join(text.format(n=n, m=m) for text, n, m in statements)
    namespace = {}
    exec(compile(code, "<x>", "exec"), namespace)
    bound = {name for name in namespace if not name.startswith("__")}
    found = read(code)
    assert bound <= found.binds
    assert found.binds - bound <= {n for _, n, _ in statements}  # bound for a while: `except ... as n`


def functions():
    def plain():
        return 1

    def one():
        try:
            return plain()
        except ValueError:
            return 2
        finally:
            plain()

    def two():
        with memoryview(b"x") as handle:
            for _ in handle:
                try:
                    plain()
                except OSError:
                    continue

    async def three():
        async with plain():
            await plain()

    return [plain, one, two, three, ast.parse, dis.dis, pytest.raises]


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.__name__)
def test_the_exception_table_is_read_as_the_interpreter_reads_it(function):
    """The standard library's own reader says the same."""
    code = function.__code__
    expected = [(entry.start, entry.end, entry.target) for entry in dis._parse_exception_table(code)]
    assert list(_entries(code.co_exceptiontable)) == expected


def test_blocks_around_a_line_are_counted():
    """None, one, two, and none in the body of an except."""
    source = (
        "a = 1\ntry:\n    b = 1\n    try:\n        c = 1\n    except E:\n        d = 1\nexcept F:\n    e = 1\ng = 1"
    )
    code = compile(source, "<x>", "exec")
    lines = {}
    for start, _, line in code.co_lines():
        lines.setdefault(line, protecting_blocks(code, start))
    assert (lines[1], lines[3], lines[5], lines[7], lines[9], lines[10]) == (0, 1, 2, 1, 0, 0)
