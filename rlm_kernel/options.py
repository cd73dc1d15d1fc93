"""The options of ``%%rlm`` and of the line commands, and what ``%%rlm?`` says of them."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import NoReturn

from rlm_kernel.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Gives a wrong option as a one-line error with the nearest match, and never exits."""

    def error(self, message: str) -> NoReturn:
        """Raise it as a ConfigError."""
        unknown = re.search(r"(?:unrecognized arguments|ambiguous option): (-\S+)", message)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown[1], known, n=1)
            message = f"there is no option {unknown[1]}" + (f"; did you mean {near[0]}?" if near else "")
        raise ConfigError(f"{message} ({self.prog}? lists the options)")


LIMITS = (
    ("depth", "depth", "N", "how deep models are called: 0 no sub-calls, 1 sub-calls, 2 child runs that make them (1)"),
    ("max-steps", "steps", "N", "most steps of a run (30); 'none' for no limit, here and below"),
    ("max-calls", "calls", "N", "most calls to models, the root's included (500)"),
    ("max-tokens", "tokens", "N", "most tokens sent and received (no limit)"),
    ("max-cost", "cost", "USD", "most dollars, as far as prices are known (1)"),
    ("max-seconds", "seconds", "S", "most seconds in all (900)"),
    ("call-timeout", "call_seconds", "S", "most seconds of one call, retries included (120)"),
    ("concurrency", "concurrency", "N", "most calls in flight at once (as many as the server takes)"),
)
"""Options that set limits: name, field of `Limits`, kind of value, meaning and default."""


def _cell_parser() -> Parser:
    parser = Parser(prog="%%rlm", add_help=False, allow_abbrev=False)
    add = parser.add_argument
    add(
        "names",
        nargs="*",
        metavar="NAME",
        help="variables that the question is about; none: the model sees a list of yours",
    )
    add("-o", "--out", metavar="NAME", help="bind the answer to this name too")
    add("-m", "--model", help="the root model; 'local' is the bundled one")
    add("-s", "--sub-model", metavar="MODEL", help="the model of sub-calls; the root model if left out")
    _add_limits(parser)
    add("--temperature", metavar="T", help="of every call; left to the prompt pack or the server if left out")
    add("--seed", metavar="N", help="of every call, for servers that take one")
    add(
        "--withhold",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column, field or key that no model may see, out of frames, arrays, dicts and lists; may be repeated",
    )
    add(
        "--write",
        action="append",
        default=[],
        metavar="NAME",
        help="a variable that the run may change for real; 'all' for all",
    )
    add("--step", action="store_true", help="pause before every step; %%rlm step, continue, edit, skip go on")
    add(
        "--approve",
        metavar="WHEN",
        help="pause before code runs: never (default), always, or risky (files, processes, network, your names)",
    )
    add(
        "--pause-on",
        action="append",
        default=[],
        metavar="WHAT",
        help="pause after an error, before a subcall, at step:N or cost:X; may be repeated",
    )
    add("--returns", metavar="TYPE", help="type of the answer: list[str], a model or dataclass of yours, ...")
    add("--no-memo", action="store_true", help="ask every sub-call anew, even if it was answered before")
    add("--no-widget", action="store_true", help="no live view with buttons: the status line and the tree alone")
    add("-q", "--quiet", action="store_true", help="no status line and no tree, the answer alone")
    return parser


def _add_limits(parser: Parser) -> None:
    for name, dest, value, meaning in LIMITS:
        parser.add_argument(f"--{name}", dest=dest, metavar=value, help=meaning)


def continue_parser() -> Parser:
    """Of ``%rlm continue``."""
    parser = Parser(prog="%rlm continue", add_help=False, allow_abbrev=False)
    parser.add_argument("run", nargs="?", metavar="RUN")
    _add_limits(parser)
    return parser


def config_parser() -> Parser:
    """Of ``%rlm config``."""
    parser = Parser(prog="%rlm config", add_help=False, allow_abbrev=False)
    for name in ("model", "sub-model", "base-url", "api-key", "pack", "temperature", "seed"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--memo", metavar="on|off")
    _add_limits(parser)
    return parser


OF_LIMIT = {field: f"--{name}" for name, field, _, _ in LIMITS}
CELL = _cell_parser()
OPTIONS = (*(field for _, field, _, _ in LIMITS), "temperature", "seed")


def cell_help() -> str:
    """What `%%rlm?` shows."""
    lines = [
        "Ask a question about your variables; a root model answers it by running code in your namespace.",
        "",
        "    %%rlm df -o themes",
        "    Which five complaint themes grew fastest this quarter? Use @regions for the region names.",
        "",
        "The answer is the cell's value, a Python object: shown as Out[n], kept in _. `@name` in the question names a",
        "variable too. Your own names stay yours: what the model rebinds or deletes is kept apart in `run.vars`, where",
        "`run = %rlm last`; new names that it makes stay. Ctrl-C or the kernel's interrupt stops it at once.",
        "",
        "Options:",
    ]
    for action in CELL._actions:
        names = ", ".join(action.option_strings) or f"{action.metavar} ..."
        value = f" {action.metavar or action.dest.upper()}" if action.option_strings and action.nargs != 0 else ""
        lines.append(f"  {names + value:<28} {action.help}")
    lines += ["", "`%rlm` lists the line commands, `%rlm config` shows the settings in force."]
    return "\n".join(lines)
