"""Spans of a run, as the OpenTelemetry SDK's own exporter gets them."""

import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode
from trajectories import HOSTILE, START, Recorder, story

import rlm_kernel
from rlm_kernel.errors import ConfigError
from rlm_kernel.testing import ScriptedModel
from rlm_kernel.trajectory.records import Failure
from rlm_kernel.views.otel import spans

CODE = "```python\nanswers = llm_query_batched(['a', 'b'])\nchild = rlm_query('Sum up', 'text')\nFINAL(child)\n```"


@pytest.fixture
def exported():
    """A provider, and the function that gives what it has exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter.get_finished_spans


def told(events, provider, **options):
    sink = spans(provider, **options)
    for event in events:
        sink(event)


def above(span, all_spans):
    """The span that one hangs under."""
    return next((one for one in all_spans if span.parent and one.context.span_id == span.parent.span_id), None)


def test_a_real_run_is_an_agent_with_its_calls_and_steps(exported):
    """And its child run hangs under the step that started it."""
    provider, finished = exported

    turns = iter([CODE, "```python\nFINAL('short')\n```"])
    model = ScriptedModel(lambda messages: "yes" if messages[-1].content in {"a", "b"} else next(turns))
    run = rlm_kernel.run("q", model=model, max_depth=2, sinks=[spans(provider)])
    assert run.answer == "short", run.error
    made = finished()
    assert all(one.end_time >= one.start_time for one in made)
    agents = [one for one in made if one.name == "invoke_agent rlm"]
    chats = [one for one in made if one.name == "chat scripted"]
    tools = [one for one in made if one.name == "execute_tool python"]
    assert (len(agents), len(chats), len(tools)) == (2, 4, 2)
    root = next(one for one in agents if one.parent is None)
    child = next(one for one in agents if one.parent is not None)
    assert above(child, made) in tools
    assert above(above(child, made), made) is root
    assert sorted(above(one, made).name for one in chats) == ["execute_tool python"] * 2 + ["invoke_agent rlm"] * 2
    assert len({one.context.trace_id for one in made}) == 1
    assert all(one.kind is (SpanKind.CLIENT if one in chats else SpanKind.INTERNAL) for one in made)


def test_the_attributes_are_those_of_the_conventions(exported):
    """Every name is in the package of semantic conventions, or our own."""
    provider, finished = exported
    told(story().events, provider, content=True)
    known = {value for name, value in vars(gen_ai_attributes).items() if name.isupper() and isinstance(value, str)}
    used = {name for one in finished() for name in one.attributes}
    assert {name for name in used if not name.startswith("rlm.")} <= known | {"error.type"}
    operations = {one.attributes["gen_ai.operation.name"] for one in finished()}
    assert operations == {"invoke_agent", "chat", "execute_tool"}
    chat = next(one for one in finished() if one.name.startswith("chat") and one.status.status_code is StatusCode.UNSET)
    assert chat.attributes["gen_ai.usage.input_tokens"] == 1200
    assert chat.attributes["gen_ai.usage.cache_read.input_tokens"] == 600
    assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert '"role"' in chat.attributes["gen_ai.input.messages"]


def test_content_is_left_out_unless_asked_for(exported):
    provider, finished = exported
    told(story().events, provider)
    names = {name for one in finished() for name in one.attributes}
    assert not names & {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.call.arguments"}
    assert not names & {"gen_ai.tool.call.result"}


def test_no_secret_of_the_environment_is_exported(exported, monkeypatch):
    provider, finished = exported
    monkeypatch.setenv("SOME_API_KEY", "sk-planted-1234")
    recorder = Recorder()
    run = recorder.run("sk-planted-1234")
    run.step(1, "sk-planted-1234", "sk-planted-1234")
    run.end("failed", "sk-planted-1234", error="sk-planted-1234")
    told(recorder.events, provider, content=True)
    assert finished()
    assert not [one for one in finished() if "planted" in one.to_json()]


def test_failures_are_errors_with_their_kind(exported):
    provider, finished = exported
    recorder = Recorder()
    run = recorder.run("q")
    run.ask(1, reply=None, error="refused")
    run.ask(1, reply=None, error="cancelled")
    run.step(1, "1 / 0", failure=Failure(kind="ZeroDivisionError", message="division by zero"))
    run.end("limit", error="the limit of 1 steps is reached")
    told(recorder.events, provider)
    errors = [(one.attributes["error.type"], one.status.description) for one in finished() if not one.status.is_ok]
    assert errors == [
        ("model_error", "refused"),
        ("cancelled", "cancelled"),
        ("ZeroDivisionError", "ZeroDivisionError: division by zero"),
        ("limit", "the limit of 1 steps is reached"),
    ]


def test_times_are_those_of_the_events(exported):
    provider, finished = exported
    recorder = story()
    told(recorder.events, provider)
    root = next(one for one in finished() if one.parent is None)
    assert root.start_time / 1e9 == pytest.approx(recorder.events[0].at)
    assert root.end_time / 1e9 == pytest.approx(recorder.events[-1].at)
    assert root.start_time / 1e9 >= START


def test_a_run_that_goes_on_after_its_end_has_a_second_span(exported):
    provider, finished = exported
    recorder = Recorder()
    run = recorder.run("q")
    run.ask(1)
    run.end("stopped", error="stopped")
    run.step(1, "FINAL(1)", final=True)
    run.end("done", "1")
    told(recorder.events, provider)
    agents = [one for one in finished() if one.name == "invoke_agent rlm"]
    assert [one.attributes["rlm.status"] for one in agents] == ["stopped", "done"]
    assert agents[1].attributes["rlm.resumed"] is True
    assert len({one.context.trace_id for one in agents}) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_can_be_exported(text, exported):
    provider, finished = exported
    recorder = Recorder()
    run = recorder.run(text)
    run.step(1, text, text)
    run.sub_call(1, text, text)
    run.note(1, "remark", text)
    run.end("failed", text, error=text)
    told(recorder.events, provider, content=True)
    for one in finished():
        assert one.to_json().encode()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"rlm-kernel\[otel\]"):
        spans()
