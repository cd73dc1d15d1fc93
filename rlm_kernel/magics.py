"""``%%rlm`` and ``%rlm``: parse what the user wrote, call the session, display."""

from __future__ import annotations

import difflib
import keyword
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlm_kernel.errors import ConfigError, LimitReached, RLMError, RunNotDone
from rlm_kernel.options import CELL, LIMITS, OF_LIMIT, OPTIONS, cell_help, config_parser, continue_parser
from rlm_kernel.session import load as load_run
from rlm_kernel.session import session_of
from rlm_kernel.views.escape import visible

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.display import Display
    from rlm_kernel.models.local import Status
    from rlm_kernel.recorded import RecordedRun
    from rlm_kernel.running import Run

_AT_NAME = re.compile(r"(?<![\w@.`])@([^\W\d]\w*)")


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
        self._asked: dict[str, _Asked] = {}
        self._commands = {
            "config": Command(self._config, "show the settings; --model X --base-url U ... set them"),
            "status": Command(self._status, "the newest run in a line"),
            "last": Command(self._last, "the newest Run, as a value: run = %rlm last"),
            "step": Command(self._step, "run the code that waits, then pause again"),
            "edit": Command(self._edit, "put the code that waits into a new cell; running that cell is the step"),
            "skip": Command(self._skip, "let the code that waits not run, and ask for other"),
            "reject": Command(self._reject, "REASON  the same, and the model is told why"),
            "hint": Command(self._hint, '"WORDS"  tell the model something with its next request'),
            "stop": Command(self._stop, "end the run that is paused; its steps and variables stay"),
            "continue": Command(self._continue, "[RUN] [--max-cost USD ...] go on from a stop or a limit"),
            "runs": Command(self._runs, "[N] the newest stored runs, of all notebooks"),
            "report": Command(self._report, "[RUN] where calls, tokens, time and money went"),
            "diff": Command(self._diff, "A B  where two runs part: code, outputs, calls, cost, answer"),
            "replay": Command(self._replay, "[RUN] run it again from its record, with no network and no cost"),
            "save": Command(self._save, "PATH [RUN] as .jsonl, .rlm, .html, .ipynb or .py"),
            "load": Command(self._load, "PATH or RUN  a saved or stored run, as a value: run = %rlm load x.rlm"),
            "show": Command(self._show, "[RUN] show the tree of a run"),
            "local": Command(self._local, "[start|stop] the bundled model: its state, start it, stop it"),
        }

    def cell(self, line: str, cell: str) -> object:
        """``%%rlm``: ask a question; gives the answer."""
        from rlm_kernel.display import Display
        from rlm_kernel.engine.returns import parse_type
        from rlm_kernel.engine.stepper import parse_stops
        from rlm_kernel.question import Question

        given = CELL.parse_args(_split(line))
        names = self._contexts(given.names, cell)
        if given.out is not None and (not given.out.isidentifier() or keyword.iskeyword(given.out)):
            raise ConfigError(f"-o takes a name that Python can use, not {given.out!r}")
        options = {name: getattr(given, name) for name in OPTIONS}
        question = Question(
            text=cell,
            contexts=names,
            model=given.model,
            sub_model=given.sub_model,
            options=options | ({"memo": False} if given.no_memo else {}),
            withhold=frozenset(given.withhold),
            write=frozenset(given.write),
            returns=None if given.returns is None else parse_type(given.returns, self._ip.user_ns),
            stops=parse_stops(step=given.step, approve=given.approve, pause_on=tuple(given.pause_on)),
        )
        display = Display(self._ip, quiet=given.quiet, live=not given.no_widget, go_on=self._go_on)
        with display:
            try:
                run = self.session.start(question, display.watch())
            except KeyboardInterrupt:
                raise RunNotDone("interrupted before the run began; the model was asked nothing") from None
            display.follow(run)
            asked = self._asked[run.id] = _Asked(run, display, given.out)
            return self._answer(asked, run.drive)

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
        if run.status == "paused":
            print(_paused(run))  # noqa: T201 - for the user
            return None
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
        given = vars(config_parser().parse_args(words))
        self.session.configure(given)
        if not words:
            for name, value in self.session.settings().shown().items():
                print(f"{name:<13} {value}")  # noqa: T201 - for the user

    def _status(self, words: list[str]) -> None:
        _none(words, "status")
        run = self.session.last
        print(visible(repr(run)) if run else "no run yet")  # noqa: T201 - for the user

    def _last(self, words: list[str]) -> Run:
        _none(words, "last")
        return self._newest()

    def _continue(self, words: list[str]) -> object:
        given = continue_parser().parse_args(words)
        run = self.session.find(given.run) if given.run else self._newest()
        limits = self.session.limits({field: getattr(given, field) for _, field, _, _ in LIMITS})
        return self._go_on(run, lambda: run.resume(**limits))

    def _go_on(self, run: Run, act: Callable[[], Run]) -> object:
        """Let a run go on as its cell wanted it shown and kept; gives the answer if it comes to one."""
        from rlm_kernel.display import Display

        asked = self._asked.get(run.id) or _Asked(run, Display(self._ip, go_on=self._go_on), None)
        with asked.display as display:
            display.follow(run)
            return self._answer(asked, act)

    def step_code(self, line: str, cell: str) -> object:
        """``%%rlm_step``: run this cell as the step that waits, in place of the model's code."""
        _none(_split(line), "step")
        run = self._newest()
        return self._go_on(run, lambda: run.step(cell))

    def _step(self, words: list[str]) -> object:
        _none(words, "step")
        run = self._newest()
        return self._go_on(run, run.step)

    def _skip(self, words: list[str]) -> object:
        _none(words, "skip")
        run = self._newest()
        return self._go_on(run, run.skip)

    def _reject(self, words: list[str]) -> object:
        run, reason = self._newest(), " ".join(words)
        return self._go_on(run, lambda: run.reject(reason))

    def _hint(self, words: list[str]) -> None:
        if not words:
            raise ConfigError('%rlm hint takes words for the model: %rlm hint "the dates are days of 2013"')
        self._newest().hint(" ".join(words))

    def _edit(self, words: list[str]) -> None:
        _none(words, "edit")
        code = self._newest().waiting
        if code is None:
            raise ConfigError("no code waits to be run; start a question with --step, or press Pause while one runs")
        self._ip.set_next_input(f"%%rlm_step\n{code}")

    def _stop(self, words: list[str]) -> None:
        _none(words, "stop")
        self._newest().stop()

    def _show(self, words: list[str]) -> None:
        from rlm_kernel.display import show

        show(self._ip, self._one(words, "show"), self._go_on)

    def _runs(self, words: list[str]) -> None:
        from rlm_kernel.interface import runs
        from rlm_kernel.views.runs import table

        most = _whole(words, "runs", 15)
        print(table(runs()[:most]))  # noqa: T201 - for the user

    def _report(self, words: list[str]) -> None:
        print(self._one(words, "report").report())  # noqa: T201 - for the user

    def _diff(self, words: list[str]) -> None:
        from rlm_kernel.views.diff import diff

        if len(words) != 2:  # noqa: PLR2004 - two runs
            raise ConfigError("%rlm diff takes the ids of two runs; %rlm runs lists them")
        one, other = map(self.session.look_up, words)
        print(diff(one.events, other.events))  # noqa: T201 - for the user

    def _replay(self, words: list[str]) -> object:
        run = self.session.replay(self._one(words, "replay"))
        if run.status != "done":
            raise RunNotDone(_not_done(run), run)
        for warning in run.warnings:
            print(f"rlm: {visible(warning)}")  # noqa: T201 - for the user
        return run.answer

    def _save(self, words: list[str]) -> None:
        if not words:
            raise ConfigError("%rlm save takes a path that ends in .jsonl, .rlm, .html, .ipynb or .py")
        print(self._one(words[1:], "save").save(words[0]))  # noqa: T201 - for the user

    def _load(self, words: list[str]) -> RecordedRun:
        if len(words) != 1:
            raise ConfigError(
                "%rlm load takes the path of a saved run, or the id of a stored one (%rlm runs lists them)"
            )
        return load_run(words[0])

    def _one(self, words: list[str], command: str) -> RecordedRun:
        """The run that a command names, or the newest."""
        if len(words) > 1:
            raise ConfigError(f"%rlm {command} takes one run, not {' '.join(words)!r}")
        return self.session.look_up(words[0]) if words else self._newest()

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

    def step(line: str, cell: str) -> object:
        return magics.step_code(line, cell)

    ask.__doc__, command.__doc__, step.__doc__ = cell_help(), magics.line_help(), magics.step_code.__doc__
    shell.register_magic_function(step, "cell", "rlm_step")  # type: ignore[arg-type]  # a traitlets descriptor
    shell.register_magic_function(ask, "cell", "rlm")  # type: ignore[arg-type]  # a traitlets descriptor
    shell.register_magic_function(command, "line", "rlm")  # type: ignore[arg-type]  # the same


def unload(shell: InteractiveShell) -> None:
    """Take the magics away; the runs and settings of the session stay for the next load."""
    for kind in ("line", "cell"):
        for name in ("rlm", "rlm_step"):
            shell.magics_manager.magics[kind].pop(name, None)
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


def _whole(words: list[str], command: str, default: int) -> int:
    if not words:
        return default
    if len(words) > 1 or not words[0].isdigit() or int(words[0]) < 1:
        raise ConfigError(f"%rlm {command} takes a whole number above 0, not {' '.join(words)!r}")
    return int(words[0])


def _none(words: list[str], command: str) -> None:
    if words:
        raise ConfigError(f"%rlm {command} takes nothing, not {' '.join(words)!r}")


def _paused(run: Run) -> str:
    paused = run.tree().folded.runs[run.id].paused
    where = f"before step {paused.step}: {paused.why}" if paused is not None else "before a step"
    return f"paused {where}. Go on with %rlm step, edit, skip, reject, hint or continue"


def _not_done(run: Run) -> str:
    steps = f"{len(run.steps)} step{'' if len(run.steps) == 1 else 's'} kept in `%rlm last`"
    reason = str(run.error) if isinstance(run.error, RLMError) else run.status
    answer = "; an answer taken from the evidence is in its .answer" if run.extracted else ""
    if isinstance(run.error, LimitReached):
        answer += f"; go on with %rlm continue {OF_LIMIT[run.error.kind]} N"
    return f"the run ended as {run.status}: {reason} ({steps}{answer})"
