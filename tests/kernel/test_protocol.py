"""What every Jupyter kernel owes its front ends, asked with Jupyter's own suite."""

import time

import jupyter_kernel_test as suite
import pytest

suite.TIMEOUT = 120


@pytest.mark.usefixtures("kernelspec")
class TestProtocol(suite.KernelTests):
    """A plain IPython, with all that it can do."""

    kernel_name = "rlm"
    language_name = "python"
    file_extension = ".py"

    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('oops', file=sys.stderr)"
    code_page_something = "print?"
    code_generate_error = "1 / 0"
    code_execute_result = ({"code": "6 * 7", "result": "42"}, {"code": "'a'.upper()", "result": "'A'"})
    code_display_data = (
        {"code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('x'))", "mime": "text/latex"},
    )
    code_clear_output = "from IPython.display import clear_output; clear_output()"
    code_inspect_sample = "print"
    code_history_pattern = "6 ? 7"
    supported_history_operations = ("tail", "search")

    completion_samples = (
        {"text": "zi", "matches": {"zip"}},
        {"text": "%%rl", "matches": {"%%rlm", "%%rlm_step"}},
        {"text": "@zi", "matches": {"zip"}},
    )
    complete_code_samples = (
        "1",
        "print('hello, world')",
        "def f(x):\n    return x * 2\n\n",
        "@flights which month had most delays?",
        "@ how many tables are there",
        "@a @b which of the two is longer,\nand by how much?",
    )
    incomplete_code_samples = ("print('''hello", "def f(x):", "def f(x):\n  x * 2", "@property", "@x @ y", "@dec(")
    invalid_code_samples = ("import = 7q", "x = 1 +* 2")

    def execute_helper(self, *args, **kwargs):
        """IPython writes its history in a thread; a request for it may come before the last output is there."""
        done = super().execute_helper(*args, **kwargs)
        if self._testMethodName == "test_history":
            time.sleep(0.5)
        return done


def test_input_comes_from_the_front_end(start):
    """`input()` in a cell asks the front end, and gets what it sends."""
    run = start()

    def answer(_message):
        run.client.input("Graz")

    reply, _ = run("city = input('Which city? ')", allow_stdin=True, stdin_hook=answer)

    assert reply["status"] == "ok"
    assert "'Graz'" in str(run("city")[1])
