"""The loop alone: a test plays the driver, so no model, no thread and no shell is involved."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.engine.actions import Execute, Generate, Note, Solved
from rlm_kernel.engine.loop import solve
from rlm_kernel.engine.task import Task
from rlm_kernel.errors import ContextOverflow, LimitReached, ModelError, RunNotDone
from rlm_kernel.prompts.pack import choose
from rlm_kernel.trajectory.records import Binding, Failure, Final, Outcome, Output, Reply
from rlm_kernel.usage import Usage

TABLE = Binding(name="df", type="pandas DataFrame", text="`df` is a table", kind="table", fields=("Speed", "Maker"))


def task(pack="general", question="How many?", contexts=(TABLE,), window=32_768, **fields):
    return Task(
        question=question,
        contexts=contexts,
        pack=choose("", pack),
        window=window,
        count=lambda text: len(text) // 4,
        **fields,
    )


def printed(text="", **fields):
    return Outcome(output=Output(stdout=text, **fields))


def final(value, text=""):
    return Outcome(output=Output(stdout=text), final=Final(value))


def failed(kind, message=""):
    return Outcome(output=Output(failure=Failure(kind=kind, message=message)))


class Play:
    """Plays replies and outcomes to a loop and keeps what it asked for."""

    def __init__(self, task, replies, outcomes=()):
        self.generated, self.executed, self.notes = [], [], []
        self._replies, self._outcomes = iter(replies), iter(outcomes)
        self.loop = solve(task)

    def run(self):
        action = next(self.loop)
        while True:
            try:
                action = self._answer(action)
            except StopIteration as stop:
                solved: Solved = stop.value
                return solved

    def _answer(self, action):
        match action:
            case Generate():
                self.generated.append(action)
                reply = next(self._replies)
                if isinstance(reply, Exception):
                    return self.loop.throw(reply)
                if isinstance(reply, str) or reply is None:
                    reply = Reply(text=reply or "", model="m", usage=Usage())
                return self.loop.send(reply)
            case Execute():
                self.executed.append(action)
                outcome = next(self._outcomes)
                return self.loop.throw(outcome) if isinstance(outcome, Exception) else self.loop.send(outcome)
            case Note():
                self.notes.append(action)
                return self.loop.send(None)

    def said(self):
        return self.generated[-1].messages[-1].content


def block(code):
    return f"```python\n{code}\n```"


def test_the_answer_is_the_object_given_to_final():
    """Not its text: the value itself."""
    value = {"a": [1]}
    play = Play(task(), [block("FINAL(x)")], [final(value)])

    assert play.run().value is value
    assert [a.step for a in play.executed] == [1]


def test_outputs_go_back_and_steps_are_numbered_from_one():
    play = Play(task(), [block("print(1)"), block("FINAL(x)")], [printed("hello"), final(3)])
    play.run()

    assert "hello" in play.said()
    assert [a.step for a in play.executed] == [1, 2]


def test_an_error_goes_back_with_the_way_out():
    """A misspelt column is answered with the nearest one."""
    play = Play(task(), [block("df['speed']"), block("FINAL(x)")], [failed("KeyError", "'speed'"), final(3)])
    play.run()

    assert "KeyError" in play.said()
    assert "'Speed'" in play.said()


@pytest.mark.parametrize(
    "value", [float("nan"), None, "", "  ", "Traceback (most recent call last):\n x", "KeyError: 'x'", [], {}, "..."]
)
def test_a_non_answer_is_refused_once_and_then_taken(value):
    """Guards object at most once: the second time the model means it."""
    play = Play(task(), [block("FINAL(x)"), block("FINAL(x)")], [final(value), final(value)])

    solved = play.run()

    assert solved.value is value or solved.value == value
    assert [note.kind for note in play.notes] == ["guard", "remark"]


@pytest.mark.parametrize("value", [0, False, "no", "unknown", 0.0])
def test_a_plain_zero_or_no_is_an_answer_for_a_strong_model(value):
    assert Play(task(), [block("FINAL(x)")], [final(value)]).run().value == value


def test_a_constant_given_without_looking_is_refused_once_where_the_preview_was_partial():
    play = Play(task(), [block("FINAL(42)"), block("FINAL(42)")], [final(42), final(42)])

    assert play.run().value == 42
    assert [note.kind for note in play.notes] == ["guard", "remark"]


def test_a_constant_is_fine_where_the_whole_value_was_shown_or_something_was_seen():
    whole = Binding(name="n", type="int", text="`n` is 42", partial=False)
    assert Play(task(contexts=(whole,)), [block("FINAL(42)")], [final(42)]).run().value == 42

    play = Play(task(), [block("print(1)"), block("FINAL(42)")], [printed("42"), final(42)])
    assert play.run().value == 42
    assert play.notes == []


def test_prose_after_a_printed_result_is_asked_for_final_once_and_then_taken():
    play = Play(task(), [block("print(1)"), "It is 42.", "I said 42."], [printed("42")])

    assert play.run().value == "I said 42."
    assert "FINAL" in play.said()
    assert play.notes[-1].kind == "remark"


def test_an_empty_reply_is_asked_again_in_silence_once():
    """Often the server's fault: the second request is the same as the first."""
    play = Play(task(), [None, block("FINAL(x)")], [final(3)])
    play.run()

    assert play.generated[0].messages == play.generated[1].messages


def test_a_model_that_writes_no_code_ends_the_run_with_its_last_words():
    with pytest.raises(RunNotDone, match=r"no code in 4 replies.*hello there"):
        Play(task(), ["hello there"] * 4).run()


@pytest.mark.parametrize(
    ("reply", "lesson"),
    [
        ("```sql\nselect 1\n```", "only ```python blocks run"),
        ("<tool_call>x</tool_call>", "no tools"),
        (Reply(text="```python\nx = [", model="m", usage=Usage(), finish="length"), "cut off"),
        ("Let me think.", "no ```python block"),
    ],
)
def test_a_reply_that_cannot_run_is_answered_with_what_was_wrong(reply, lesson):
    play = Play(task(), [reply, block("FINAL(x)")], [final(3)])
    play.run()

    assert lesson in play.said()


def test_final_written_as_text_is_taken_by_its_words():
    play = Play(task(), [block("print(1)"), "FINAL(the city of Lyon)"], [printed("Lyon")])
    assert play.run().value == "the city of Lyon"

    play = Play(
        task(), [block("print(1)"), "FINAL(Lyon)"], [printed("Lyon"), failed("NameError", "name 'Lyon' is not defined")]
    )
    assert play.run().value == "Lyon"


def test_the_step_limit_ends_in_one_extraction_from_the_evidence_flagged_as_such():
    play = Play(task(steps=2), [block("print(1)"), block("print(2)"), "It is 42."], [printed("41"), printed("42")])

    solved = play.run()

    assert solved.value == "It is 42."
    assert solved.extracted.kind == "steps"
    assert play.generated[-1].purpose == "extract"


def test_a_limit_with_nothing_seen_is_the_limit_itself():
    """No answer is invented from no evidence."""
    with pytest.raises(LimitReached):
        Play(task(), [LimitReached("calls", 2, 1)]).run()


def test_an_extraction_that_fails_leaves_the_limit_and_says_so():
    play = Play(task(steps=1), [block("print(1)"), ModelError("down")], [printed("41")])

    with pytest.raises(LimitReached):
        play.run()
    assert "down" in play.notes[-1].text


def test_an_overflow_told_by_the_server_shortens_the_conversation_once():
    big = printed("x" * 7_000)
    replies = [block("print(1)"), block("print(2)"), ContextOverflow("too long"), block("FINAL(x)")]
    play = Play(task(), replies, [big, big, final(3)])

    assert play.run().value == 3
    assert play.notes[0].kind == "history"
    assert sum(len(m.content) for m in play.generated[-1].messages) < sum(
        len(m.content) for m in play.generated[-2].messages
    )


def test_a_second_overflow_is_the_servers_last_word():
    with pytest.raises(ContextOverflow):
        Play(task(), [block("print(1)"), ContextOverflow("a"), ContextOverflow("b")], [printed("x")]).run()


def test_near_the_window_old_outputs_shrink_and_it_is_said():
    replies = [*[block(f"print({n})") for n in range(8)], block("FINAL(x)")]
    play = Play(task(window=8_192), replies, [*[printed("word " * 1_500)] * 8, final(3)])

    assert play.run().value == 3
    assert {note.kind for note in play.notes} == {"history"}
    assert all(sum(len(m.content) // 4 for m in g.messages) < 8_192 for g in play.generated)


def test_long_output_shows_head_and_tail_and_says_what_was_cut():
    play = Play(task(), [block("print(1)"), block("FINAL(x)")], [printed("HEAD" + "x" * 50_000 + "TAIL"), final(1)])
    play.run()

    assert "HEAD" in play.said()
    assert "TAIL" in play.said()
    assert "42,008 of 50,008 characters left out" in play.said()


def test_silent_steps_are_told_so():
    play = Play(task(), [block("x = 1"), block("FINAL(x)")], [printed(), final(1)])
    play.run()

    assert "nothing" in play.said()


# -- the pack for small models


def test_a_small_model_is_asked_again_without_a_mark_hotter_and_with_another_seed():
    play = Play(task("small"), ["Sure!", block("FINAL(x)")], [final(3)])
    play.run()
    first, second = play.generated

    assert first.messages == second.messages
    assert first.temperature == 0.0
    assert second.temperature > 0.5
    assert first.seed != second.seed


def test_examples_bear_the_users_own_variable_name():
    play = Play(task("small"), [block("FINAL(x)")], [final(3)])
    play.run()
    contents = [message.content for message in play.generated[0].messages]

    assert sum('df["amount"]' in content for content in contents) >= 3
    assert not any("@" in content for content in contents)


def test_a_zero_is_doubted_once_with_the_way_out():
    play = Play(task("small"), [block("FINAL(x)"), block("FINAL(x)")], [final(0), final(0)])

    assert play.run().value == 0
    assert "spelling" in play.said()


def test_a_single_printed_value_is_taken_for_a_table():
    """It saves the call that would only repeat it."""
    assert Play(task("small"), [block("print(42)")], [printed("42\n")]).run().value == 42
    outcome = Outcome(output=Output(echo="42"), value=42, has_value=True)
    assert Play(task("small"), [block("len(df)")], [outcome]).run().value == 42


def test_a_whole_table_for_one_name_is_asked_for_again_once():
    play = Play(
        task("small", question="Which maker is the fastest?"), [block("FINAL(x)")] * 2, [final([1, 2]), final("Fiat")]
    )

    assert play.run().value == "Fiat"


def test_several_names_are_no_fault_where_several_were_asked_for():
    play = Play(
        task("small", question="Which three makers are the fastest?"), [block("FINAL(x)")], [final(["a", "b", "c"])]
    )

    assert play.run().value == ["a", "b", "c"]


def test_a_small_model_ends_after_its_patience_by_being_asked_outright():
    replies = [block(f"print({n})") for n in range(6)] + ["Lyon"]
    text = Binding(name="t", type="str", text="`t` is a str", kind="text")
    play = Play(task("small", "Where is it?", contexts=(text,)), replies, [printed("a b")] * 6)

    solved = play.run()

    assert solved.value == "Lyon"
    assert solved.extracted is None
    assert play.notes[-1].kind == "remark"


# -- nothing raises out of it

_OUTCOMES = st.one_of(
    st.text(max_size=30).map(printed),
    st.sampled_from(["KeyError", "NameError", "SyntaxError", "ValueError"]).map(failed),
    st.sampled_from([None, 0, "", "x", float("nan"), [], [1]]).map(final),
)
_REPLIES = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.text(max_size=40).map(block),
    st.just(block("FINAL(1)")),
    st.just(block("print(1)")),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_REPLIES, min_size=60, max_size=60),
    st.lists(_OUTCOMES, min_size=60, max_size=60),
    st.sampled_from(["general", "small"]),
)
def test_no_text_of_a_model_raises_out_of_the_loop(replies, outcomes, pack):
    """It ends in an answer, a limit, or a run that was not done: nothing else."""
    with contextlib.suppress(LimitReached, RunNotDone):
        Play(task(pack, steps=12), replies, outcomes).run()


def test_a_share_is_doubted_once_where_a_percentage_was_asked_for():
    """Only where the code did not multiply by 100."""
    asked = task("small", question="What percentage is red?")
    play = Play(asked, [block("FINAL(x.mean())"), block("FINAL(x.mean() * 100)")], [final(0.25), final(25.0)])
    assert play.run().value == 25.0

    assert Play(asked, [block("FINAL(x.mean() * 100)")], [final(0.25)]).run().value == 0.25


def test_a_small_model_that_repeats_failing_code_starts_over_without_what_it_was_told():
    replies = [block("df['x']"), block("# again\ndf['x']"), block("FINAL(len(df))")]
    play = Play(task("small"), replies, [failed("KeyError", "'x'"), failed("KeyError", "'x'"), final(1)])

    assert play.run().value == 1
    first, second, third = (generate.messages for generate in play.generated)
    assert len(second) == len(first) + 2
    assert third == first
    assert play.generated[2].temperature > play.generated[1].temperature


def test_an_answer_that_a_small_model_insists_on_is_taken_in_the_end():
    code = block('FINAL(df["Maker"].count())')
    play = Play(task("small", question="Which maker is it?"), [code] * 4, [final([1, 2])] * 4)

    assert play.run().value == [1, 2]
    assert any(note.kind == "remark" for note in play.notes)


def test_a_small_models_column_is_spelled_as_it_is_before_its_code_runs():
    play = Play(task("small"), [block('FINAL(df["speed"].max())')], [final(3)])

    play.run()

    assert play.executed[0].code == "FINAL(df['Speed'].max())"
