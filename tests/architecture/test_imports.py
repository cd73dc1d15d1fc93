"""The house of CONTRIBUTING.md, held by reading every module."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import rlm_kernel

PACKAGE = Path(rlm_kernel.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    {"magics", "options", "kernel", "__main__"},
    {
        "session",
        "interface",
        "running",
        "wiring",
        "doors",
        "buttons",
        "children",
        "display",
        "live",
        "question",
        "recorded",
        "config",
        "traits",
        "plane",
    },
    {"engine", "namespace", "models", "views"},
    {"describe", "prompts"},
    {"trajectory"},
    {"budget", "database", "usage", "errors", "_version"},
)
"""From the top down. A part imports parts of lower layers."""
TOGETHER = (0, 1, 5)
"""Layers whose parts are modules of one concern and may import each other; the parts of the others are apart."""
ASIDE = {"testing", "evals"}
"""They import the package and nothing in it imports them."""

HEAVY = {"IPython", "aiohttp", "anywidget", "httpx", "httpx_aiohttp", "ipykernel", "ipywidgets", "matplotlib", "numpy"}
HEAVY |= {
    "genai_prices",
    "openai",
    "opentelemetry",
    "pandas",
    "polars",
    "psutil",
    "pydantic",
    "rich",
    "tiktoken",
    "tqdm",
    "xllamacpp",
}
LATE = {"kernel.py", "models/local/serve.py"}
"""Only imported in a process that exists for them, so they may import at the top what they need."""

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
LONGEST_TEXT = 200
LONG_FUNCTIONS = {
    "interface.py:run": "the product's one public call: mostly its parameters and their documentation",
}
TEXT_AT_HOME = {"prompts/", "views/"}
"""Words that a model reads belong to prompts/, and the CSS of views is no prompt."""


def short(path):
    return path.relative_to(PACKAGE).as_posix()


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def part(module):
    """The part of the package that a dotted module belongs to; '' is the package's own __init__."""
    return [*module.split("."), ""][1]


def imports(path):
    """Every module that a file imports, however late, as dotted names."""
    package = ["rlm_kernel", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                dotted = ".".join([*base, *filter(None, [module])])
                yield from (f"{dotted}.{name.name}" for name in names) if dotted == "rlm_kernel" else [dotted]


def at_the_top(path):
    """The same, but only what an import of the file runs."""
    todo = list(tree(path).body)
    for node in todo:
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module)):
                yield module
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=other):
                todo += other
            case ast.If() | ast.Try() | ast.With():
                todo += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def strings(node):
    """Every string in code that is neither documentation nor a regular expression."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Constant()) | ast.Call(func=ast.Attribute(value=ast.Name(id="re"))):
                continue
            case ast.Constant(value=str()):
                yield child
        yield from strings(child)


def layer(name):
    return next((level for level, parts in enumerate(LAYERS) if name in parts), None)


def allowed(importer, imported):
    """May a file of one part import from another?"""
    if imported in ASIDE:
        return importer in ASIDE
    if importer in ASIDE or importer == imported:
        return True
    above, below = layer(importer), layer(imported)
    return above < below or (above == below and above in TOGETHER)


def test_every_part_has_its_place():
    """A new module or folder of the package is put into a layer, here and in CONTRIBUTING.md."""
    parts = {Path(short(path)).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert parts - ASIDE == parts & set().union(*LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_imports_go_down_only(path):
    """Neither upward nor between the siblings of a layer, not even late or for types."""
    importer = Path(short(path)).parts[0].removesuffix(".py")
    if importer == "__init__":
        return
    ours = [name for name in imports(path) if name.split(".")[0] == "rlm_kernel"]
    wrong = [name for name in ours if part(name) not in {"", "__version__"} and not allowed(importer, part(name))]
    assert not wrong, f"{short(path)} may not import {', '.join(wrong)}"


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_heavy_libraries_are_imported_late(path):
    """Loading the extension stays fast, and engine and describers need no library to be there."""
    if short(path) in LATE:
        return
    heavy = [name for name in at_the_top(path) if name.split(".")[0] in HEAVY]
    assert not heavy, f"{short(path)} imports {', '.join(heavy)} at its top"


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_prompt_text_lives_in_prompts(path):
    """A long string anywhere else is probably something that a model reads."""
    if short(path).startswith(tuple(TEXT_AT_HOME)):
        return
    long = [node.lineno for node in strings(tree(path)) if len(node.value) > LONGEST_TEXT]
    assert not long, f"{short(path)} has long strings in the lines {long}"


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_files_and_functions_stay_short(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
        and f"{short(path)}:{node.name}" not in LONG_FUNCTIONS
    ]
    assert not long, f"{short(path)}: {', '.join(long)}"


def test_every_exception_is_still_needed():
    """A function on the list of long ones is there, and long."""
    for entry in LONG_FUNCTIONS:
        file, _, name = entry.partition(":")
        found = [node for node in ast.walk(tree(PACKAGE / file)) if getattr(node, "name", "") == name]
        assert any(node.end_lineno - node.lineno >= LONGEST_FUNCTION for node in found), entry


def test_no_module_has_a_name_that_says_nothing():
    empty = {"util", "utils", "helper", "helpers", "manager", "handler", "handlers", "common", "misc"}
    assert not [short(path) for path in MODULES if path.stem in empty]


def test_the_public_names_are_those_that_are_there():
    """All of `__all__` can be imported, `dir` shows it, and nothing is lazy that is not in it."""
    assert set(rlm_kernel.__all__) <= set(dir(rlm_kernel))
    for name in rlm_kernel.__all__:
        assert getattr(rlm_kernel, name) is not None
    assert set(rlm_kernel._HOMES) <= set(rlm_kernel.__all__)
    assert list(rlm_kernel.__all__) == sorted(rlm_kernel.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rlm_kernel.nothing  # noqa: B018


@pytest.mark.parametrize("name", ["rlm_kernel", "rlm"])
def test_the_extension_is_there_by_both_names(name):
    module = importlib.import_module(name)
    assert callable(module.load_ipython_extension)
    assert callable(module.unload_ipython_extension)


def loaded_after(code):
    """Which heavy libraries a fresh Python has imported after some code."""
    script = f"import sys\n{code}\nprint('modules:', *({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("name", ["rlm_kernel", "rlm"])
def test_importing_the_package_imports_no_library(name):
    assert loaded_after(f"import {name}") == set()


def test_a_script_needs_no_ipython():
    """The names of `rlm_kernel.run` can be had without the notebook's libraries."""
    assert loaded_after("import rlm_kernel\nrlm_kernel.run, rlm_kernel.Limits, rlm_kernel.Run") == set()


def test_loading_the_extension_imports_no_heavy_library():
    """In a real shell, which has IPython itself and what that needs."""
    shell = "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
    before = loaded_after(shell)
    assert loaded_after(shell + "shell.run_line_magic('load_ext', 'rlm_kernel')") == before
    assert before.isdisjoint({"openai", "tiktoken", "pandas", "anywidget"})
