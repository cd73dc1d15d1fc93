"""A step in a shell: its state afterwards, terminal or not; what the kernel tests do not show."""

import atexit
import inspect
import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.terminal.interactiveshell import TerminalInteractiveShell

from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.inventory import user_names
from rlm_kernel.namespace.shell import ShellRunner


@pytest.fixture
def terminal():
    InteractiveShell.clear_instance()
    TerminalInteractiveShell.clear_instance()
    shell = TerminalInteractiveShell.instance(simple_prompt=True)
    yield shell
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)
    TerminalInteractiveShell.clear_instance()
    InteractiveShell.clear_instance()


def executor_in(shell, **options):
    return NamespaceExecutor(ShellRunner(shell), shell.user_ns, **options)


def shell_state(shell):
    hidden = {"history_manager", "user_ns", "user_ns_hidden", "events", "compile"}
    own = {name: value for name, value in vars(shell).items() if name not in hidden and not name.startswith("_trait")}
    callbacks = {event: list(found) for event, found in shell.events.callbacks.items()}
    more = (
        shell.display_pub,
        shell.displayhook,
        shell.displayhook.exec_result,
        dict(shell.hooks),
        shell.last_execution_result,
    )
    return own, callbacks, more, shell.compile.flags, shell.custom_exceptions


CODES = [
    "1",
    "1 / 0",
    "x = (",
    "%time 1",
    "FINAL(1)",
    "exit()",
    "get_ipython().run_cell('1/0')",
    "from __future__ import annotations",
    "%nosuch",
    "import sys; sys.exit()",
    "await nothing",
    "int?",
]


@pytest.mark.parametrize("code", CODES)
def test_a_shell_is_as_it_was_after_a_step(shell, code):
    """Whatever the step did to it."""
    shell.run_cell("'before'", store_history=True)
    before = shell_state(shell)
    executor_in(shell).execute(code, step=1, seconds=20)
    assert shell_state(shell) == before


def test_commands_are_captured_in_a_terminal_too(terminal, capfd):
    """There they would write to the terminal itself."""
    executor = executor_in(terminal)
    assert executor.execute("!echo hello", step=1, seconds=20).output.stdout == "hello\n"
    assert executor.execute("int?", step=2, seconds=20).output.stdout
    assert executor.execute("exit", step=3, seconds=20).output.failure.kind == "SystemExit"
    assert terminal.keep_running is True
    assert capfd.readouterr().out == ""


def test_an_error_is_left_where_the_debugger_looks_and_final_is_not(shell):
    """%debug works on the model's last error; an answer costs no traceback."""
    executor = executor_in(shell)
    executor.execute("def f(x):\n    return 1 / x\nf(0)", step=1, seconds=20)
    error, trace = sys.last_value, sys.last_traceback
    assert isinstance(error, ZeroDivisionError)
    assert trace.tb_frame.f_code.co_filename.startswith("<step-1-")
    assert inspect.getinnerframes(trace)[-1].function == "f"
    executor.execute("FINAL(1)", step=2, seconds=20)
    assert sys.last_value is error


@pytest.mark.parametrize(
    ("setting", "echo"),
    [("all", "1\n2\n"), ("last_expr", "2\n"), ("last", "2\n"), ("none", ""), ("last_expr_or_assign", "2\n")],
)
def test_the_users_interactivity_is_honoured(shell, setting, echo):
    """Which bare expressions are echoed is the user's setting."""
    shell.ast_node_interactivity = setting
    outcome = executor_in(shell).execute("1\n2", step=1, seconds=20)
    assert outcome.output.echo == echo
    assert outcome.value == 2


def test_statements_are_echoed_where_the_user_wants_all(shell):
    """As at a Python prompt."""
    shell.ast_node_interactivity = "all"
    assert executor_in(shell).execute("for i in range(2):\n    i", step=1, seconds=20).output.echo == "0\n1\n"


def test_input_and_ast_transformers_of_the_users_apply(shell):
    """They are part of how the user's cells run."""
    shell.input_transformers_post.append(lambda lines: [line.replace("DOUBLE", "2 *") for line in lines])
    assert executor_in(shell).execute("x = 5\nDOUBLE x", step=1, seconds=20).value == 10


def test_rich_outputs_are_bounded_and_say_so(shell):
    """An entry of 6 MB is left out."""
    code = "from IPython.display import HTML, display\ndisplay(HTML('x' * 6_000_000))\nHTML('<b>small</b>')"
    output = executor_in(shell).execute(code, step=1, seconds=20).output
    assert "text/html" not in output.rich[0].data
    assert output.rich[1].data["text/html"] == "<b>small</b>"


def test_an_update_replaces_what_it_updates(shell):
    """A progress display is one output, not a hundred."""
    code = (
        "from IPython.display import Markdown, display\nh = display(Markdown('0'), display_id=True)\n"
        "for i in range(5):\n    h.update(Markdown(f'**{i}**'))"
    )
    output = executor_in(shell).execute(code, step=1, seconds=20).output
    assert [one.data["text/markdown"] for one in output.rich] == ["**4**"]


def test_clear_output_clears(shell):
    """As in a cell."""
    code = "from IPython.display import HTML, clear_output, display\ndisplay(HTML('a'))\nclear_output()\ndisplay(HTML('b'))"
    output = executor_in(shell).execute(code, step=1, seconds=20).output
    assert [one.data["text/html"] for one in output.rich] == ["b"]


def test_markdown_reads_as_its_text(shell):
    """Its plain text would be an address."""
    code = "from IPython.display import Markdown\nMarkdown('**bold**')"
    assert executor_in(shell).execute(code, step=1, seconds=20).output.echo == "**bold**\n"


def test_a_value_that_displays_itself_does_so_once(shell):
    """_ipython_display_"""
    code = "class Own:\n    def _ipython_display_(self):\n        print('shown')\nOwn()"
    assert executor_in(shell).execute(code, step=1, seconds=20).output.text == "shown"


def test_user_names_are_the_users_variables(shell):
    """No modules, nothing of IPython's, nothing of ours; functions and classes count."""
    shell.run_cell("import json\nx = 1\n_private = 2\ndef f(): ...\nclass A: ...\n'shown'", store_history=True)
    executor = executor_in(shell, doors={"llm_query": str.upper})
    executor.execute("made = 3", step=1, seconds=20)
    assert user_names(shell.user_ns, shell.user_ns_hidden) == ("x", "f", "A", "made")
    shell.run_cell("exit = 5\nllm_query = 6")
    found = user_names(shell.user_ns, shell.user_ns_hidden)
    assert set(found) == {"x", "f", "A", "made", "exit", "llm_query"}
    assert user_names({"a": 1, "b": 2, "FINAL": 3}, frozenset({"b"})) == ("a",)


def test_names_of_the_shell_are_the_shells_again_after_a_step(shell):
    """In, Out, exit, get_ipython: rebound by a step, they are its own affair."""
    before = {name: shell.user_ns[name] for name in ("In", "Out", "exit", "get_ipython", "_")}
    executor = executor_in(shell)
    executor.execute("In = Out = exit = get_ipython = _ = 1", step=1, seconds=20)
    assert {name: shell.user_ns[name] for name in before} == before
    assert executor.execute("In + Out", step=2, seconds=20).value == 2
