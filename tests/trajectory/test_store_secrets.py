"""Planted secrets never reach the file of the store, whichever way they enter a run."""

import os
import sqlite3
import zlib
from contextlib import closing

import pytest
from runs import Story

import rlm_kernel
from rlm_kernel.testing import CapturingSink, Fault, ScriptedModel, serve
from rlm_kernel.trajectory import store_file
from rlm_kernel.trajectory.store import Store

KEY, TOKEN, PASSWORD = "sk-planted-5f0c1d77", "planted-token-93ab", "planted-pass-77aa"
CODE = f"""```python
import os, sys
held = os.environ["SERVICE_API_KEY"]
print(held, os.environ["OPENAI_BASE_URL"], os.environ["OTHER_ADDRESS"])
print(held, file=sys.stderr)
copied = {{"key": held}}
answer = llm_query("what is " + held + "?" + " and so on" * 300)
# {KEY}
held
```"""
FAIL = "```python\nraise ValueError(held + os.environ['OPENAI_BASE_URL'])\n```"
FINAL = "```python\nFINAL('it is ' + held)\n```"


def content(store):
    """Everything that is in the file, unpacked, and the file as it is."""
    with closing(sqlite3.connect(store.path)) as db:
        bodies = [body for (body,) in db.execute("SELECT body FROM block UNION ALL SELECT body FROM text")]
        rows = repr(db.execute("SELECT * FROM run").fetchall())
    raw = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    return rows + "".join(zlib.decompress(body).decode() for body in bodies) + raw.decode("latin-1")


@pytest.fixture(params=["through", "refused"])
def planted(request, monkeypatch):
    """A question that does what it can to get secrets into the trajectory, to a server that answers or refuses."""
    replies = [CODE, f"an answer with {KEY}", FAIL, FINAL]
    fault = Fault(status=500, text=f'{{"error": {{"message": "bad key {KEY}"}}}}', first=1)
    with serve(ScriptedModel(replies), faults=[fault]) as server:
        where = f"{server.base_url}?token={TOKEN}"
        if request.param == "refused":
            where = where.replace("http://", f"http://me:{PASSWORD}@")  # goes into the header, in the key's place
        monkeypatch.setenv("SERVICE_API_KEY", KEY)
        monkeypatch.setenv("OTHER_ADDRESS", f"https://you:{PASSWORD}@example.org/?version=2024-02-01")
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        monkeypatch.setenv("OPENAI_BASE_URL", where)
        monkeypatch.setenv("RLM_MODEL", "scripted")
        yield request.param, server


def test_no_planted_secret_is_on_disk(planted, tmp_path):
    """In code, outputs, errors, prompts, replies, descriptions, the question and the answer."""
    ending, server = planted
    store, seen = Store(tmp_path), CapturingSink()
    config = {"key": KEY, "urls": [os.environ["OPENAI_BASE_URL"], os.environ["OTHER_ADDRESS"]]}
    run = rlm_kernel.run(
        f"What is {KEY} and {TOKEN} in version 2024-02-01?",
        {"config": config},
        limits=rlm_kernel.Limits(steps=4),
        sinks=[store.sink(), seen],
    )
    assert run.status == ("done" if ending == "through" else "failed"), run.error
    store.close()
    text = content(store)
    assert "[secret]" in text
    assert "version 2024-02-01" in text
    for secret in (KEY, TOKEN, PASSWORD, server.api_key):
        assert secret not in text, text[text.index(secret) - 200 : text.index(secret) + 50]
    assert len(store.load(run.id)) == len(seen.events)


def test_secrets_of_the_environment_are_blanked_unless_others_are_given(monkeypatch, tmp_path):
    monkeypatch.setenv("MY_SECRET", KEY)
    store = Store(tmp_path)
    told = Story("r1", f"Is {KEY} right?")
    told.step(1, f"use('{KEY}')", KEY * 200)
    told.call(1, "x" * 3000 + KEY)
    sink = store.sink("r1")
    for event in told.end(answer=KEY, error=KEY).events:
        sink(event)
    store.close()
    assert KEY not in content(store)
    assert store.load("r1")[-1].answer == "[secret]"
    assert store_file.LONG < 3000
