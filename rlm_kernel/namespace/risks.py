"""What in a step's code deserves a look before it runs: files, processes, the network, the user's own names.

Decided on the syntax tree alone. It is a reminder for a person, no wall: code that means to hide can.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import Any

from rlm_kernel.namespace.bindings import names_in

_PROCESSES = {"subprocess", "multiprocessing", "pty", "pexpect", "sh"}
_NETWORK = {"socket", "requests", "urllib", "httpx", "aiohttp", "http", "smtplib", "ftplib", "telnetlib", "paramiko"}
_NETWORK |= {"boto3", "websockets", "ssl"}
_LOW = {"ctypes", "cffi", "mmap"}
_MODULES = {
    **dict.fromkeys(_PROCESSES, "starts processes"),
    **dict.fromkeys(_NETWORK, "uses the network"),
    **dict.fromkeys(_LOW, "reaches below Python"),
    "shutil": "changes files",
    "sqlite3": "opens a database",
    "tempfile": "writes files",
}
_OS_PROCESSES = {"system", "popen", "kill", "killpg", "fork", "forkpty", "abort", "startfile"}
_OS_FILES = {"remove", "unlink", "rename", "replace", "rmdir", "removedirs", "mkdir", "makedirs", "chmod", "chown"}
_OS_FILES |= {"truncate", "symlink", "link", "open", "write"}
_FILE_METHODS = {"write_text", "write_bytes", "unlink", "rmdir", "touch", "rename", "mkdir", "symlink_to", "chmod"}
_SAVING = ("to_", "write_", "sink_")
_NOT_SAVING = {"to_numpy", "to_list", "to_dict", "to_string", "to_frame", "to_series", "to_datetime", "to_timedelta"}
_NOT_SAVING |= {"to_numeric", "to_period", "to_timestamp", "to_records", "to_pandas", "to_arrow", "to_flat_index"}
_NOT_SAVING |= {"to_pydatetime", "to_markdown", "to_torch", "to_init_repr", "to_dummies", "to_lowercase", "to_xarray"}
_NOT_SAVING |= {"to_uppercase", "to_titlecase", "to_integer", "to_physical", "to_struct", "to_dicts", "to_dict_list"}
_SHELL = {"system", "getoutput", "run_line_magic", "run_cell_magic", "run_cell", "safe_execfile"}
_WRITING_MAGICS = {
    "writefile",
    "file",
    "save",
    "bash",
    "sh",
    "script",
    "system",
    "sx",
    "rm",
    "mv",
    "cp",
    "pip",
    "conda",
}


def tree_of(code: str, shell: Any) -> ast.Module:
    """The syntax tree of a step's code; an empty one where it cannot be read, which then cannot run either.

    Args:
        code: the code as the model wrote it.
        shell: an IPython shell whose syntax it may use; None for plain Python.
    """
    try:
        return ast.parse(shell.transform_cell(code) if shell is not None else code)
    except Exception:  # transformers of the user's may raise anything
        return ast.Module(body=[], type_ignores=[])


def risks(tree: ast.Module, users: Collection[str]) -> tuple[str, ...]:
    """Why a step's code should be looked at first, one short reason each; empty if nothing stands out.

    Args:
        tree: the code, after IPython's own syntax was transformed.
        users: names of the user's own variables.
    """
    facts = names_in(tree)
    found = list(_in_nodes(tree))
    deleted = sorted(facts.deletes & set(users))
    rebound = sorted((facts.binds - facts.deletes) & set(users))
    found += [f"deletes your {', '.join(deleted)}"] if deleted else []
    found += [f"rebinds your {', '.join(rebound)}"] if rebound else []
    return tuple(dict.fromkeys(found))


def _in_nodes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (_MODULES[root] for name in names if (root := name.name.partition(".")[0]) in _MODULES)
            case ast.ImportFrom(module=str(module)) if (root := module.partition(".")[0]) in _MODULES:
                yield _MODULES[root]
            case ast.Call():
                yield from _in_call(node)


def _in_call(call: ast.Call) -> Iterator[str]:
    match call.func:
        case ast.Name(id="open") if _may_write(call, 1):
            yield "writes files"
        case ast.Name(id="exec" | "eval" | "compile" | "__import__"):
            yield "runs code from text"
        case ast.Attribute(value=ast.Name(id="os"), attr=attr):
            yield from _in_os(attr)
        case ast.Attribute(attr="open") if _may_write(call, 0):
            yield "writes files"
        case ast.Attribute(attr=attr) if attr in _SHELL:
            yield from _in_shell(call, attr)
        case ast.Attribute(attr=attr) if attr in _FILE_METHODS or _saves(attr, call):
            yield "writes files"


def _in_os(attr: str) -> Iterator[str]:
    if attr in _OS_PROCESSES or attr.startswith(("exec", "spawn", "posix_spawn")):
        yield "starts processes"
    elif attr in _OS_FILES:
        yield "changes files"


def _in_shell(call: ast.Call, attr: str) -> Iterator[str]:
    if not attr.endswith("_magic"):
        yield "starts processes"
        return
    name = call.args[0] if call.args else None
    if isinstance(name, ast.Constant) and name.value in _WRITING_MAGICS:
        yield f"uses %{name.value}"


def _saves(attr: str, call: ast.Call) -> bool:
    """`df.to_csv(path)`, `df.write_parquet(path)`; without an argument most of these only give text back."""
    return attr.startswith(_SAVING) and attr not in _NOT_SAVING and bool(call.args or call.keywords)


def _may_write(call: ast.Call, position: int) -> bool:
    """Whether the mode of an `open` may write; one that is not a constant may."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    given += call.args[position : position + 1]
    if not given:
        return False
    mode = given[0]
    return not isinstance(mode, ast.Constant) or any(letter in str(mode.value) for letter in "wax+")
