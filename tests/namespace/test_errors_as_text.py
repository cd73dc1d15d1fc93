"""An exception as the model reads it: plain, short, its own lines."""

import pytest


def test_the_models_frames_are_shown_with_line_and_code(bench):
    """No escape codes, nothing of the package or the shell."""
    failure = bench.run("def half(x):\n    return x / 0\n\nhalf(3)").output.failure
    assert failure.traceback == (
        "  Step 1, line 4\n    half(3)\n  Step 1, line 2, in half\n    return x / 0\nZeroDivisionError: division by zero"
    )
    assert (failure.line, str(failure)) == (2, "ZeroDivisionError: division by zero")


def test_a_function_of_an_earlier_step_keeps_the_line_of_this_one(bench):
    """Failure.line is a line of the step's own code."""
    bench.run("def f():\n    pass\n    pass\n    raise ValueError('x')")
    failure = bench.run("1\nf()").output.failure
    assert failure.line == 2
    assert "raise ValueError('x')" in failure.traceback


def test_of_libraries_only_the_last_calls_are_shown(bench):
    """The model needs its own lines and the place where it broke."""
    failure = bench.run("import pandas as pd\npd.DataFrame({'a': [1]})['missing']").output.failure
    assert failure.kind == "KeyError"
    assert "more calls)" in failure.traceback or failure.traceback.count("line") <= 5
    assert "site-packages" not in failure.traceback


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("x = 1\ny = (", 2, "was never closed"),
        ("if True:\npass", 2, "indented block"),
        ("1\nreturn 2", 2, "outside function"),
    ],
)
def test_a_syntax_error_names_the_line_and_not_our_file(bench, code, line, message):
    """In words the model knows."""
    failure = bench.run(code).output.failure
    assert failure.line == line or bench.kind == "shell"
    assert message in failure.message or bench.kind == "shell"
    assert "<step" not in failure.traceback + failure.message


def test_causes_are_told_first(bench):
    """A chain reads in the order of what happened."""
    code = "try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('second') from e"
    text = bench.run(code).output.failure.traceback
    assert text.index("KeyError") < text.index("which was the cause of") < text.index("second")
    assert "while that was handled" in bench.run(code.replace(" from e", "")).output.failure.traceback
    assert "KeyError" not in bench.run(code.replace("from e", "from None")).output.failure.traceback


def test_endless_recursion_is_short(bench):
    """Forty lines at most."""
    failure = bench.run("def f(n):\n    return f(n + 1)\nf(0)").output.failure
    assert failure.kind == "RecursionError"
    assert failure.traceback.count("\n") <= 41
    assert len(failure.traceback) < 4_200


def test_a_long_message_is_cut(bench):
    """It may hold the data."""
    failure = bench.run("raise ValueError('x' * 10**6)").output.failure
    assert len(failure.message) < 2_100
    assert len(failure.traceback) < 4_200


def test_an_exception_whose_text_raises_is_told_all_the_same(bench):
    """By its class."""
    failure = bench.run(
        "class Bad(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Bad"
    ).output.failure
    assert failure.kind == "Bad"
    assert "could not be read" in failure.message


def test_groups_and_notes_are_told(bench):
    """What the group holds, what was added."""
    code = "e = ExceptionGroup('many', [ValueError('one'), TypeError('two')])\ne.add_note('a hint')\nraise e"
    text = bench.run(code).output.failure.traceback
    assert all(part in text for part in ("many", "a hint", "ValueError: one", "TypeError: two"))
