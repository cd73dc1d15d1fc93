"""The engine benchmark: its server answers by script and counts, its table shows what misses the mark."""

from speed import script
from speed.control import serving
from speed.measure import MEASURES
from speed.ours import Ours
from speed.rows import ROWS, table


def test_a_run_takes_the_scripted_steps_and_the_server_counts_them(monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "RLM_MEMO"):
        monkeypatch.setenv(name, "")  # set by the engine, and put back after
    with serving() as server:
        engine = Ours(server.url)
        server.configure(root=script.script([script.batch(20)], engine.end("len(results)")), latency=0.01)
        asked = engine.ask()
        seen = server.counts()
    assert not asked.error
    assert '"ok": 20' in asked.printed
    assert (seen["root"], seen["sub"], seen["open"]) == (2, 20, 0)
    assert asked.calls == 22
    assert asked.tokens == seen["input_tokens"] + seen["output_tokens"]


def test_what_misses_the_mark_is_bold_and_what_meets_it_is_not():
    lines = table(
        {"ours": {"fixed/fixed": [19.0, 30.0, 31.0], "steps/30 steps": [2.0]}}, ["fixed", "steps"]
    ).splitlines()
    assert "| **30.0** |" in lines[2]
    assert "| 2.00 |" in lines[3]


def test_every_row_of_the_table_belongs_to_a_measurement():
    assert {row.key.partition("/")[0] for row in ROWS} == {*MEASURES, "load"}
