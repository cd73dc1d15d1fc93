"""Every event is JSON and back; what a later version added is left out and noted; what is no event is refused."""

import dataclasses
import json

import pytest
from generated import EVENTS, VALUES
from hypothesis import given, settings

from rlm_kernel.trajectory import codec
from rlm_kernel.trajectory.codec import CodecError, Reader, encode
from rlm_kernel.trajectory.events import SCHEMA, CallStarted, Event, Noted, StepFinished, StepStarted
from rlm_kernel.trajectory.records import Message, Output, Request, Rich

STEP = {"tag": "step_started", "seq": 1, "run": "r", "at": 1.5, "step": 2, "code": "1"}


def through_json(event):
    line = json.dumps(encode(event), ensure_ascii=False, allow_nan=False).encode()
    return Reader().event(json.loads(line))


@settings(deadline=None, max_examples=300)
@given(event=EVENTS)
def test_every_event_comes_back_as_it_was(event):
    """Whatever is in it, through JSON that any program can read. As text, because nan is not equal to itself."""
    assert repr(through_json(event)) == repr(event)


@settings(deadline=None)
@given(data=VALUES)
def test_whatever_a_library_puts_into_a_mime_bundle_comes_back(data):
    event = StepFinished(seq=1, run="r", at=0.0, step=1, output=Output(rich=(Rich(data={"x/y": data}),)))
    assert repr(through_json(event)) == repr(event)


def test_very_large_values_come_back():
    """A number of more digits than Python writes out, and texts of megabytes."""
    data = {"a": 10**5000, "b": -(10**5000), "c": 2**63, "d": "x" * 5_000_000, "e": b"\xff" * 100_000}
    event = StepFinished(seq=1, run="r", at=0.0, step=1, output=Output(rich=(Rich(data=data),)))
    assert through_json(event) == event


def test_there_is_a_tag_for_every_event():
    assert {kind.__name__ for kind in codec.tags().values()} == {kind.__name__ for kind in Event.__subclasses__()}
    assert {"run_started", "call_started", "call_finished", "step_started", "run_finished"} <= codec.tags().keys()


def test_what_holds_its_default_is_left_out():
    assert encode(StepStarted(seq=1, run="r", at=1.5, step=2, code="1")) == STEP


def test_an_object_that_is_no_data_stands_as_its_text():
    class Odd:
        def __str__(self):
            return "odd"

    class Worse:
        def __str__(self):
            raise RuntimeError

    output = Output(rich=(Rich(data={"a": Odd(), "b": Worse()}),))
    assert through_json(StepFinished(seq=1, run="r", at=0.0, step=1, output=output)).output.rich[0].data == {
        "a": "odd",
        "b": "<Worse>",
    }


def test_fields_and_events_of_a_later_version_are_left_out_and_noted():
    reader = Reader(SCHEMA + 1)
    assert reader.event({**STEP, "mood": 3, "speed": {"a": 1}}).code == "1"
    assert reader.event({**STEP, "tag": "step_dreamt"}) is None
    assert reader.event({**STEP, "step": "the third"}) is None
    note = {"tag": "noted", "seq": 1, "run": "r", "at": 1.0, "step": 1, "kind": "song", "text": "la"}
    assert reader.event(note) is None
    assert reader.ignored == {"StepStarted.mood", "StepStarted.speed", "step_dreamt", "step_started", "noted"}


def test_records_of_an_earlier_schema_are_moved_on(monkeypatch):
    """One version after the other, and only those that are needed."""
    monkeypatch.setattr(codec, "SCHEMA", SCHEMA + 2)
    steps = {
        SCHEMA: lambda record: {**record, "code": record["code"] + "+1"},
        SCHEMA + 1: lambda record: {**record, "code": f"({record['code']})*2"},
    }
    monkeypatch.setattr(codec, "MIGRATIONS", steps)
    assert [Reader(SCHEMA + n).event(STEP).code for n in range(3)] == ["(1+1)*2", "(1)*2", "1"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"code": 3}, "StepStarted.code: a text was expected, not 3"),
        ({"step": 1.5}, "StepStarted.step: a whole number was expected"),
        ({"step": True}, "a whole number"),
        ({"at": "now"}, "a number was expected"),
        ({"at": {"$number": "__import__('os')"}}, "a number was expected"),
        ({"parent": []}, "a text was expected"),
        ({"code": {"$text": 3}}, "no text for '$text'"),
        ({"code": {"$raw": "%"}}, "bytes cannot be read"),
        ({"code": {"$raw": "/w=="}}, "text cannot be read"),
        ({"tag": 3}, "with a tag"),
    ],
)
def test_what_is_no_event_is_refused_with_its_place(change, reason):
    with pytest.raises(CodecError) as caught:
        Reader().event({**STEP, **change})
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("record", [None, [], "x", {}, {"tag": "step_started"}])
def test_a_record_that_lacks_what_it_needs_is_refused(record):
    with pytest.raises(CodecError):
        Reader().event(record)


def test_a_kind_of_note_that_nobody_knows_is_refused_in_records_of_this_schema():
    record = encode(Noted(seq=1, run="r", at=1.0, step=1, kind="notice", text="t"))
    with pytest.raises(CodecError, match="one of guard, redraw"):
        Reader().event({**record, "kind": "song"})


def test_texts_can_stand_elsewhere():
    """As the store keeps long ones."""
    kept = {}

    def away(text):
        return {"$at": kept.setdefault(text, len(kept))} if len(text) > 3 else text

    event = CallStarted(
        seq=1,
        run="r",
        at=1.0,
        call=1,
        step=1,
        purpose="root",
        model="m",
        request=Request(messages=(Message("user", "a long question"), Message("assistant", "a long question"))),
    )
    record = encode(event, away)
    assert "long" not in json.dumps(record)
    back = {number: text for text, number in kept.items()}
    assert Reader(lookup=lambda form, number: back[number]).event(record) == event
    assert dataclasses.is_dataclass(event)
