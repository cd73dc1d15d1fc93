"""Sub-calls in a run: from threads and event loops, to named models, inside limits, against a faulty server."""

import asyncio
import threading
import time

import pytest

import rlm_kernel as rlm
from rlm_kernel.interface import session
from rlm_kernel.testing import Fault, ScriptedModel, serve


def block(code):
    return f"```python\n{code}\n```"


def scripted(*codes, answer=lambda prompt: "yes", **options):
    """The root's replies in order; every sub-call is answered by `answer`."""
    codes = list(codes)

    def reply(messages):
        if messages[0].role == "system":
            return block(codes.pop(0))
        return answer(messages[0].content)

    return ScriptedModel(reply, **options)


def behind(server, **options):
    settings = session().settings({"base_url": server.base_url, "api_key": server.api_key})
    return rlm.run("q", model=session().model("scripted", settings), memo=False, **options)


def test_awaited_calls_run_together_in_a_steps_own_loop():
    code = (
        "import asyncio\n"
        "answers = await asyncio.gather(*(llm_query_async(f'item {i}') for i in range(30)))\nFINAL(answers)"
    )
    model = scripted(code, answer=lambda prompt: prompt.split()[-1])
    model.latency = 0.05
    run = rlm.run("q", model=model)

    assert run.answer == [str(i) for i in range(30)]
    assert model.peak > 15
    assert run.steps[0].calls == 30


def test_cancelling_an_awaited_call_cancels_it_at_the_model():
    code = (
        "import asyncio\ntask = asyncio.ensure_future(llm_query_async('slow'))\nawait asyncio.sleep(0.3)\n"
        "task.cancel()\ntry:\n    await task\nexcept asyncio.CancelledError:\n    FINAL('cancelled')"
    )
    model = scripted(code)

    def slow_down(event):
        model.latency = 30.0 if event.tag == "step_started" else model.latency

    run = rlm.run("q", model=model, sinks=[slow_down])

    assert run.answer == "cancelled"
    deadline = time.monotonic() + 5
    while run.calls[1].error is None and time.monotonic() < deadline:  # it ends in another thread
        time.sleep(0.01)
    assert model.cancelled == 1
    assert run.calls[1].error == "cancelled"


def test_calls_from_thread_pools_are_accounted_to_the_step():
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n    answers = list(pool.map(llm_query, map(str, range(20))))\n"
        "print(len(answers))"
    )
    run = rlm.run("q", model=scripted(code, "FINAL(answers)", answer=lambda prompt: prompt))

    assert run.answer == list(map(str, range(20)))
    assert run.steps[0].calls == 20


def test_a_pool_of_an_earlier_step_still_belongs_to_the_run():
    first = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(2)\nprint(pool.submit(llm_query, 'a').result())"
    run = rlm.run("q", model=scripted(first, "FINAL(pool.submit(llm_query, 'b').result())"))

    assert run.answer == "yes"
    assert [step.calls for step in run.steps] == [1, 1]


def test_after_the_runs_end_its_threads_are_refused_and_nothing_is_sent():
    code = (
        "import threading, time\ncaught = []\ndef later():\n    time.sleep(0.3)\n    try:\n        llm_query('late')\n"
        "    except Exception as exc:\n        caught.append(type(exc).__name__)\n"
        "thread = threading.Thread(target=later)\nthread.start()\nFINAL('end' + '')"
    )
    model = scripted(code)
    run = rlm.run("q", model=model)
    run.namespace["thread"].join(5)

    assert run.namespace["caught"] == ["RunEnded"]
    assert len(model.requests) == 1


def test_a_call_goes_to_the_model_that_it_names():
    """By object; by name it is asked at the same address."""
    other = ScriptedModel(["from the other"], name="other")
    run = rlm.run("q", {"other": other}, model=scripted("FINAL(llm_query('hi', model=other))"))

    assert run.answer == "from the other"
    assert [call.model for call in run.calls] == ["scripted", "other"]


def test_budget_tells_what_is_left_of_each_limit():
    code = "llm_query('hi')\nFINAL(dict(budget()))"
    run = rlm.run("q", model=scripted(code), limits=rlm.Limits(calls=10, steps=5, cost=None))
    left = run.answer

    assert left["calls"] == 8
    assert left["steps"] == 4
    assert left["depth"] == 1
    assert left["cost"] is None
    assert 800 < left["seconds"] <= 900


def test_outside_a_run_budget_is_an_error_and_a_query_is_a_run_of_its_own(monkeypatch):
    model = scripted("def ask(text):\n    return llm_query(text)\nFINAL(ask)")
    run = rlm.run("q", model=model)

    assert run.answer("by hand") == "yes"
    with pytest.raises(rlm.RunEnded):
        run.namespace["budget"]()
    assert run.usage.calls == 1


def test_the_functions_can_be_imported_for_a_script():
    run = rlm.run("q", model=scripted("FINAL(1 + 1)"))
    assert run.answer == 2
    assert rlm.llm_query("hello") == "yes"
    assert rlm.llm_query_batched(["a", "b"]) == ["yes", "yes"]
    assert asyncio.run(rlm.llm_query_async("a")) == "yes"


# -- limits


def test_the_limit_on_dollars_refuses_sub_calls_and_the_root_may_still_answer():
    model = scripted(
        "rs = llm_query_batched(['word ' * 100] * 50)\nprint(sum(map(bool, rs)))",
        "FINAL('done ' + str(len(rs)))",
        price=(10.0, 10.0),
    )
    run = rlm.run("q", model=model, limits=rlm.Limits(cost=0.05))

    answered = int(run.steps[0].output)
    assert run.status == "done"
    assert 0 < answered < 50
    assert run.usage.cost <= 0.05
    assert run.cost == run.usage.cost > 0
    assert "limit of $0.05 is reached; raise it with --max-cost" in str(run.namespace["rs"][-1])
    assert any("sub-calls were refused" in warning for warning in run.warnings)


def test_an_unknown_price_is_said_and_never_counts_as_nothing():
    run = rlm.run("q", model=scripted("FINAL(llm_query('hi'))", price=None), limits=rlm.Limits(cost=0.000001))

    assert run.status == "done"
    assert run.cost is None
    said = [event.text for event in run.events if event.tag == "noted"]
    assert said == ["the price of scripted is not known: the limit of $1e-06 does not hold it"]


def test_a_run_goes_on_from_a_limit_once_that_is_raised():
    """The conversation and the variables are those it had; the reply that was paid for is not asked again."""
    model = scripted("x = 20\nprint(x)", "x += 1\nprint(x)", "FINAL(x * 2)")
    inner = model._answer
    model._answer = lambda messages: "It is 21." if "go no further" in messages[-1].content else inner(messages)
    run = rlm.run("q", model=model, limits=rlm.Limits(steps=2))

    assert (run.status, run.extracted, run.answer) == ("limit", True, "It is 21.")
    with pytest.raises(rlm.ConfigError, match="same limit at once: steps"):
        run.resume()
    run.resume(steps=5)
    assert (run.status, run.answer, len(run.steps)) == ("done", 42, 3)
    assert not run.extracted


def test_a_reply_that_the_clock_kept_from_running_runs_after_the_limit_is_raised():
    model = scripted("import time\ntime.sleep(5)\nprint('late')", "FINAL('ok' + '!')")
    inner = model._answer
    model._answer = lambda messages: "nothing" if "go no further" in messages[-1].content else inner(messages)
    run = rlm.run("q", model=model, limits=rlm.Limits(seconds=0.5))
    assert run.status == "limit"

    run.resume(seconds=60)
    assert (run.status, run.answer) == ("done", "ok!")


@pytest.mark.parametrize(
    "evasion",
    [
        "import rlm_kernel\nrlm_kernel.run('again', model=None)",
        "import rlm_kernel\nrlm_kernel.interface.session().configure({'calls': 1000})",
        "import rlm_kernel\nrlm_kernel.interface.session().limits({'calls': 1000})",
        "llm_query = lambda prompt: 'free'\nraise ValueError('rebound')",
    ],
)
def test_the_obvious_evasions_fail(evasion):
    code = f"try:\n    {evasion.replace(chr(10), chr(10) + '    ')}\nexcept Exception as exc:\n    print('refused', type(exc).__name__)"
    run = rlm.run("q", model=scripted(code, "FINAL(llm_query('hi'))"), limits=rlm.Limits(calls=9))

    assert run.steps[0].output.startswith("refused")
    assert run.answer == "yes"
    assert run.usage.calls == len(run.calls) == 3


def test_concurrency_bounds_the_calls_in_flight():
    model = scripted("FINAL(len(llm_query_batched(['a'] * 30)))")
    model.latency = 0.02
    run = rlm.run("q", model=model, limits=rlm.Limits(concurrency=3))

    assert run.answer == 30
    assert model.peak == 3


# -- faults


def is_sub_call(body):
    return body["messages"][0]["role"] != "system"


def test_one_hanging_item_costs_no_other_and_is_named_at_its_timeout():
    model = scripted("FINAL(llm_query_batched([f'item {i}' for i in range(100)]))", answer=lambda prompt: prompt)
    hang = Fault(hang=True, when=lambda body: body["messages"][-1]["content"] == "item 42")
    with serve(model, faults=[hang]) as server:
        began = time.monotonic()
        run = behind(server, limits=rlm.Limits(call_seconds=1.5))
        took = time.monotonic() - began

    assert [answer for i, answer in enumerate(run.answer) if i != 42] == [f"item {i}" for i in range(100) if i != 42]
    assert "gave no answer within 1.5 s" in str(run.answer[42])
    assert took < 10


def test_the_servers_own_words_are_what_the_user_reads():
    model = scripted("rs = llm_query_batched(['a', 'b'])\nFINAL([str(r) for r in rs])")
    fault = Fault(status=403, text='{"error": {"message": "no credit left on account 7"}}', when=is_sub_call)
    with serve(model, faults=[fault]) as server:
        run = behind(server)

    assert all("no credit left on account 7" in text for text in run.answer)


def test_refusals_at_the_start_lose_nothing_and_narrow_the_gate():
    model = scripted("FINAL(llm_query_batched([f'item {i}' for i in range(100)]))", answer=lambda prompt: prompt)
    busy = Fault(status=429, retry_after=0.1, first=50, when=is_sub_call)
    with serve(model, faults=[busy]) as server:
        run = behind(server)

    assert run.answer == [f"item {i}" for i in range(100)]
    assert run.usage.calls == 101
    assert len(server.requests) == 151
    assert sum(call.retries for call in run.calls) >= 50


def test_a_stop_in_the_middle_of_a_batch_sends_nothing_more():
    model = scripted("FINAL(len(llm_query_batched(['a'] * 1000)))")
    slow = ScriptedModel(model._answer)
    with serve(slow) as server:

        def watch(event):
            if event.tag == "step_started":
                slow.latency = 0.5

        def stop():
            time.sleep(0.5)
            session().last.stop()

        def begin(event):
            if event.tag == "step_started":
                threading.Thread(target=stop).start()

        run = behind(server, sinks=[watch, begin], limits=rlm.Limits(calls=None))
        at_the_stop = len(server.requests)
        time.sleep(1.0)

        assert run.status == "stopped"
        assert len(server.requests) == at_the_stop < 1000


# -- the memo


@pytest.fixture
def remembering(monkeypatch, tmp_path):
    monkeypatch.setenv("RLM_MEMO", "1")
    monkeypatch.setenv("RLM_MEMO_DIR", str(tmp_path / "memo"))


def remembered(server, model_codes, **options):
    settings = session().settings({"base_url": server.base_url, "api_key": server.api_key})
    return rlm.run("q", model=session().model("scripted", settings), **options)


def test_an_identical_sub_call_is_answered_from_the_memo_free_and_marked(remembering):
    model = scripted("FINAL(llm_query('hi'))", "FINAL(llm_query('hi'))", "FINAL(llm_query('hi'))")
    with serve(model) as server:
        first, second = remembered(server, model), remembered(server, model)
        third = remembered(server, model, memo=False)

    assert first.answer == second.answer == third.answer == "yes"
    assert [call.memo for call in second.calls] == [False, True]
    assert second.usage.calls == 1
    assert third.usage.calls == 2
    assert len(server.requests) == 5


def test_equal_prompts_of_one_batch_are_never_collapsed(remembering):
    count = iter(range(1000))
    code = "FINAL(llm_query_batched(['a number, please'] * 5))"
    model = scripted(code, code, answer=lambda prompt: str(next(count)))
    with serve(model) as server:
        first, second = remembered(server, model), remembered(server, model)

    assert sorted(first.answer) == ["0", "1", "2", "3", "4"]
    assert second.answer == first.answer
    assert len(server.requests) == 7


def test_calls_that_ask_for_fresh_samples_are_made(remembering):
    model = scripted("FINAL(llm_query('hi'))", "FINAL(llm_query('hi'))")
    with serve(model) as server:
        remembered(server, model, temperature=0.9)
        again = remembered(server, model, temperature=0.9)

    assert again.usage.calls == 2
    assert len(server.requests) == 4
