"""``%%rlm`` and ``%rlm``: parse what the user wrote, call the session, display."""

from __future__ import annotations

import argparse
import difflib
import keyword
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from rlm_kernel.errors import ConfigError, LimitReached, RLMError, RunNotDone
from rlm_kernel.session import session_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.display import Display
    from rlm_kernel.models.local import Status
    from rlm_kernel.runs import Run

_AT_NAME = re.compile(r"(?<![\w@.`])@([^\W\d]\w*)")


class _Parser(argparse.ArgumentParser):
    """Gives a wrong option as a one-line error with the nearest match, and never exits."""

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"(?:unrecognized arguments|ambiguous option): (-\S+)", message)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown[1], known, n=1)
            message = f"there is no option {unknown[1]}" + (f"; did you mean {near[0]}?" if near else "")
        raise ConfigError(f"{message} ({self.prog}? lists the options)")


_LIMITS = (
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


def _cell_parser() -> _Parser:
    parser = _Parser(prog="%%rlm", add_help=False, allow_abbrev=False)
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
    add("--returns", metavar="TYPE", help="type of the answer: list[str], a model or dataclass of yours, ...")
    add("--no-memo", action="store_true", help="ask every sub-call anew, even if it was answered before")
    add("-q", "--quiet", action="store_true", help="no status line and no tree, the answer alone")
    return parser


def _add_limits(parser: _Parser) -> None:
    for name, dest, value, meaning in _LIMITS:
        parser.add_argument(f"--{name}", dest=dest, metavar=value, help=meaning)


def _continue_parser() -> _Parser:
    parser = _Parser(prog="%rlm continue", add_help=False, allow_abbrev=False)
    parser.add_argument("run", nargs="?", metavar="RUN")
    _add_limits(parser)
    return parser


def _config_parser() -> _Parser:
    parser = _Parser(prog="%rlm config", add_help=False, allow_abbrev=False)
    for name in ("model", "sub-model", "base-url", "api-key", "pack", "temperature", "seed"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--memo", metavar="on|off")
    _add_limits(parser)
    return parser


_OF_LIMIT = {field: f"--{name}" for name, field, _, _ in _LIMITS}
CELL = _cell_parser()
_OPTIONS = (*(field for _, field, _, _ in _LIMITS), "temperature", "seed")


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


@dataclass(frozen=True, slots=True)
class Command:
    """One ``%rlm`` command."""

    run: Callable[[list[str]], object]
    help: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """The run of the newest ``%%rlm`` cell, and how that cell wanted it shown and kept."""

    run: Run
    display: Display
    out: str | None


class RLMMagics:
    """The magics of one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._ip = shell
        self.session = session_of(shell)
        self._asked: _Asked | None = None
        self._commands = {
            "config": Command(self._config, "show the settings; --model X --base-url U ... set them"),
            "status": Command(self._status, "the newest run in a line"),
            "last": Command(self._last, "the newest Run, as a value: run = %rlm last"),
            "continue": Command(self._continue, "[RUN] [--max-cost USD ...] go on from a stop or a limit"),
            "show": Command(self._show, "[RUN] show the tree of a run"),
            "local": Command(self._local, "[start|stop] the bundled model: its state, start it, stop it"),
        }

    def cell(self, line: str, cell: str) -> object:
        """``%%rlm``: ask a question; gives the answer."""
        from rlm_kernel.display import Display
        from rlm_kernel.engine.returns import parse_type
        from rlm_kernel.wiring import Question

        given = CELL.parse_args(_split(line))
        names = self._contexts(given.names, cell)
        if given.out is not None and (not given.out.isidentifier() or keyword.iskeyword(given.out)):
            raise ConfigError(f"-o takes a name that Python can use, not {given.out!r}")
        options = {name: getattr(given, name) for name in _OPTIONS}
        question = Question(
            text=cell,
            contexts=names,
            model=given.model,
            sub_model=given.sub_model,
            options=options | ({"memo": False} if given.no_memo else {}),
            withhold=frozenset(given.withhold),
            write=frozenset(given.write),
            returns=None if given.returns is None else parse_type(given.returns, self._ip.user_ns),
        )
        display = Display(self._ip, quiet=given.quiet)
        with display:
            try:
                run = self.session.start(question, display.watch())
            except KeyboardInterrupt:
                raise RunNotDone("interrupted before the run began; the model was asked nothing") from None
            display.follow(run)
            self._asked = _Asked(run, display, given.out)
            return self._answer(self._asked, run.drive)

    def line(self, line: str) -> object:
        """``%rlm``: one line command."""
        words = _split(line)
        if not words:
            print(self.line_help())  # noqa: T201 - for the user
            return None
        command = self._commands.get(words[0])
        if command is None:
            near = difflib.get_close_matches(words[0], self._commands, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "%rlm alone lists the commands"
            raise ConfigError(f"%rlm has no command {words[0]!r}; {hint}")
        return command.run(words[1:])

    # -- the cell magic

    def _contexts(self, named: Sequence[str], text: str) -> tuple[str, ...]:
        namespace = self._ip.user_ns
        names = dict.fromkeys(name.removeprefix("@") for name in named)
        for word in dict.fromkeys(_AT_NAME.findall(text)):
            if word in namespace:
                names[word] = None
            else:
                print(f"rlm: @{word} is no variable and stays text")  # noqa: T201 - for the user
        return tuple(names)

    def _answer(self, asked: _Asked, go_on: Callable[[], Run]) -> object:
        try:
            run = go_on()
        except KeyboardInterrupt:
            raise RunNotDone(_not_done(asked.run), asked.run) from None  # one line, where IPython shows a traceback
        if run.status != "done":
            raise RunNotDone(_not_done(run), run)
        if asked.out is not None:
            self._ip.user_ns[asked.out] = run.answer
        return run.answer

    # -- line commands

    def line_help(self) -> str:
        """What `%rlm` alone prints."""
        width = max(map(len, self._commands))
        rows = [f"  %rlm {name:<{width}}  {command.help}" for name, command in self._commands.items()]
        return "\n".join(["%%rlm NAME ... asks a question (%%rlm? tells more). Line commands:", *rows])

    def _config(self, words: list[str]) -> None:
        given = vars(_config_parser().parse_args(words))
        self.session.configure(given)
        if not words:
            for name, value in self.session.settings().shown().items():
                print(f"{name:<13} {value}")  # noqa: T201 - for the user

    def _status(self, words: list[str]) -> None:
        _none(words, "status")
        from rlm_kernel.views.escape import visible

        run = self.session.last
        print(visible(repr(run)) if run else "no run yet")  # noqa: T201 - for the user

    def _last(self, words: list[str]) -> Run:
        _none(words, "last")
        return self._newest()

    def _continue(self, words: list[str]) -> object:
        given = _continue_parser().parse_args(words)
        run = self.session.find(given.run) if given.run else self._newest()
        limits = self.session.limits({field: getattr(given, field) for _, field, _, _ in _LIMITS})
        asked = self._asked
        if asked is None or asked.run is not run:
            run.resume(**limits)
            return run.answer
        with asked.display as display:
            display.follow(run)
            return self._answer(asked, lambda: run.resume(**limits))

    def _show(self, words: list[str]) -> None:
        from rlm_kernel.display import show

        show(self._ip, self.session.find(words[0]) if words else self._newest())

    def _newest(self) -> Run:
        run = self.session.last
        if run is None:
            raise ConfigError("there is no run yet; ask a question with %%rlm")
        return run

    def _local(self, words: list[str]) -> None:
        from rlm_kernel.display import Display
        from rlm_kernel.models import local

        match words:
            case []:
                pass
            case ["start"]:
                with Display(self._ip) as display:
                    local.ensure(display.watch().progress)
            case ["stop"]:
                local.stop()
            case _:
                raise ConfigError(f"%rlm local takes start or stop, not {' '.join(words)!r}")
        print(_local_words(local.status()))  # noqa: T201 - for the user


def load(shell: InteractiveShell) -> None:
    """Register the magics in a shell."""
    magics = RLMMagics(shell)

    def ask(line: str, cell: str) -> object:
        return magics.cell(line, cell)

    def command(line: str) -> object:
        return magics.line(line)

    ask.__doc__, command.__doc__ = cell_help(), magics.line_help()
    shell.register_magic_function(ask, "cell", "rlm")  # type: ignore[arg-type]  # a traitlets descriptor
    shell.register_magic_function(command, "line", "rlm")  # type: ignore[arg-type]  # the same


def unload(shell: InteractiveShell) -> None:
    """Take the magics away; the runs and settings of the session stay for the next load."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("rlm", None)
    # Loaded under both names it is gone under both: else IPython would refuse to load the other one again.
    manager: Any = shell.extension_manager
    manager.loaded -= {"rlm", "rlm_kernel"}


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as exc:
        raise ConfigError(f"the line cannot be read: {exc}") from None


def _local_words(status: Status) -> str:
    weights = status.weights
    missing = f", {len(weights.missing)} parts missing" if weights.missing else ""
    lines = [f"weights  {weights.kind}{missing}  {weights.path}"]
    if not status.installed:
        lines.append('engine   not installed; pip install "rlm-kernel[local]"')
    if status.running:
        memory = f"{status.rss / 2**30:.1f} GiB" if status.rss else "memory unknown"
        window = f"{status.slots} slots of {status.context:,} tokens" if status.slots and status.context else "starting"
        lines.append(f"server   pid {status.pid}, port {status.port}, {window}, {status.clients} clients, {memory}")
    else:
        lines.append("server   not running; it starts with the first question, or with %rlm local start")
    return "\n".join(lines)


def _none(words: list[str], command: str) -> None:
    if words:
        raise ConfigError(f"%rlm {command} takes nothing, not {' '.join(words)!r}")


def _not_done(run: Run) -> str:
    steps = f"{len(run.steps)} step{'' if len(run.steps) == 1 else 's'} kept in `%rlm last`"
    reason = str(run.error) if isinstance(run.error, RLMError) else run.status
    answer = "; an answer taken from the evidence is in its .answer" if run.extracted else ""
    if isinstance(run.error, LimitReached):
        answer += f"; go on with %rlm continue {_OF_LIMIT[run.error.kind]} N"
    return f"the run ended as {run.status}: {reason} ({steps}{answer})"
