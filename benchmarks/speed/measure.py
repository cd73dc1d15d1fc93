"""The measurements. Each runs in a fresh process of the engine's own Python and prints what it found as JSON.

python -m speed.measure NAME --engine ours|shell|reference|floor --url URL --repeats N
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from speed import script
from speed.control import Server
from speed.engine import Asked, Engine

Found = dict[str, list[float] | str]
"""Values by the name of the row they belong to; under ``note`` what else is worth knowing."""
Measure = Callable[[Engine, Server, int], Found]

MILLI = 1e3
CHILD_PRINTS = 20


def first_run(engine: Engine, server: Server, _repeats: int) -> Found:
    """The first run of a process, imports included."""
    server.configure(root=[*script.script([], engine.end("len(context)"))])
    return {"first run": [_good(engine.ask()).seconds * MILLI]}


def fixed(engine: Engine, server: Server, repeats: int) -> Found:
    """A run that ends in its first step."""
    server.configure(root=script.script([], engine.end("len(context)")))
    engine.ask()
    return {"fixed": [_good(engine.ask()).seconds * MILLI for _ in range(repeats)]}


def steps(engine: Engine, server: Server, repeats: int) -> Found:
    """Time between two requests of the root, over 30 and over 200 trivial steps."""
    found: Found = {}
    for count in (30, 200):
        each = []
        for _ in range(repeats):
            server.configure(root=script.script(script.trivial(count), engine.end("x0 + 1")))
            _good(engine.ask())
            seen = server.counts()
            assert seen["root"] == count + 1, seen
            each.append((seen["root_last"] - seen["root_first"]) / count * MILLI)
        found[f"{count} steps"] = each
    return found


def text(engine: Engine, server: Server, repeats: int) -> Found:
    """What 200 MB of text cost more than a word, and how far the peak of memory rises."""
    server.configure(root=script.script([], engine.end("len(context)")))
    line = "user 0000001 | some text that stands for a record | label\n"
    long = line * (200_000_000 // len(line))
    engine.bind("a word")
    short = statistics.median(engine.bind("a word") for _ in range(repeats))
    before = _peak_mib()
    over = [(engine.bind(long) - short) * MILLI for _ in range(repeats)]
    return {"text": over, "text memory": [_peak_mib() - before]}


def table(engine: Engine, server: Server, repeats: int) -> Found:
    """What a DataFrame of a million rows costs more than a word."""
    import numpy as np
    import pandas as pd

    rows, rng = 1_000_000, np.random.default_rng(0)
    columns = {"id": np.arange(rows), "x": rng.random(rows), "label": rng.choice(["a", "b", "c"], rows)}
    frame = pd.DataFrame(columns)
    server.configure(root=script.script([], engine.end("len(context)")))
    engine.bind("a word")
    short = statistics.median(engine.bind("a word") for _ in range(repeats))
    try:
        return {"table": [(engine.bind(frame) - short) * MILLI for _ in range(repeats)]}
    except TypeError as exc:
        return {"note": f"TypeError: {exc}"}


def batch(engine: Engine, server: Server, repeats: int) -> Found:
    """1,000 sub-calls of 50 ms in one batch."""
    return _batches(engine, server, repeats, 1000, 0.05)


def slow_batch(engine: Engine, server: Server, repeats: int) -> Found:
    """1,000 sub-calls of 500 ms in one batch."""
    once = 1 if engine.name == "reference" else repeats  # it takes half a minute, and so it does every time
    return _batches(engine, server, once, 1000, 0.5)


def large_batch(engine: Engine, server: Server, repeats: int) -> Found:
    """10,000 sub-calls of 50 ms beside 1,000: time for each, and memory for each."""
    small = _batches(engine, server, repeats, 1000, 0.05)["batch"]
    before = _peak_mib()
    large = _batches(engine, server, 1, 10_000, 0.05)["batch"]
    return {
        "1,000 each": [float(seconds) / 1000 * MILLI for seconds in small],
        "10,000 each": [float(seconds) / 10_000 * MILLI for seconds in large],
        "10,000 memory": [(_peak_mib() - before) * 1024 / 10_000],
    }


def loop(engine: Engine, server: Server, repeats: int) -> Found:
    """100 sub-calls one after the other, of 50 ms and of none: the engine's own time for each."""
    found: Found = {}
    for label, latency in (("loop", 0.05), ("bare loop", 0.0)):
        each = []
        for _ in range(repeats):
            server.configure(root=script.script([script.loop(100)], engine.end("len(results)")), latency=latency)
            _all_answered(engine.ask(), 100)
            seen = server.counts()
            each.append(((seen["sub_last"] - seen["sub_first"]) / 100 - latency) * MILLI)
        found[label] = each
    return found


def hang(engine: Engine, server: Server, _repeats: int) -> Found:
    """One of 100 calls hangs; a call may take 2 s."""
    return _with_faults(engine, server, "hang", call_seconds=2.0, hang_match="item 7:")


def one_fails(engine: Engine, server: Server, _repeats: int) -> Found:
    """One of 100 prompts is always answered 500."""
    return _with_faults(engine, server, "one fails", fail_match="item 7:")


def all_429(engine: Engine, server: Server, _repeats: int) -> Found:
    """Every sub-call is answered 429."""
    return _with_faults(engine, server, "all 429", fail_match="*", fail_status=429)


def all_500(engine: Engine, server: Server, _repeats: int) -> Found:
    """Every sub-call is answered 500."""
    return _with_faults(engine, server, "all 500", fail_match="*")


def first_429(engine: Engine, server: Server, _repeats: int) -> Found:
    """The first 50 requests are answered 429, then all is well."""
    return _with_faults(engine, server, "first 429", fail_first=50, fail_status=429)


def interrupt(engine: Engine, server: Server, _repeats: int) -> Found:
    """Ctrl-C in the middle of 1,000 calls of 500 ms: until control is back, and what is sent after."""
    server.configure(root=script.script([script.batch(1000)], engine.end("len(results)")), latency=0.5)
    struck: list[float] = []

    def strike() -> None:
        while server.counts()["answered"] < 100:
            time.sleep(0.02)
        struck.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=strike, daemon=True).start()
    asked = engine.ask()
    back = time.perf_counter() - struck[0]
    time.sleep(0.1)  # what was on the wire when it struck has arrived by then
    at_once = server.counts()["sub"]
    time.sleep(5)  # as a notebook would: the process lives on
    return {
        "interrupt": [back],
        "sent after": [float(server.counts()["sub"] - at_once)],
        "note": asked.error[:100] or "no error",
    }


def accounts(engine: Engine, server: Server, _repeats: int) -> Found:
    """Calls that the engine reports for each that the server counted, with sub-calls and with child runs."""
    server.configure(root=script.script([script.batch(100)], engine.end("len(results)")))
    asked, seen = _good(engine.ask()), server.counts()
    found: Found = {
        "calls": [asked.calls / (seen["root"] + seen["sub"])],
        "tokens": [asked.tokens / (seen["input_tokens"] + seen["output_tokens"])],
    }
    asked = _children(engine, server, "llm_query('say ok')")
    seen = server.counts()
    if not asked.error and _report(asked)["ok"] > 0:
        found["calls with children"] = [asked.calls / (seen["root"] + seen["sub"])]
    return found


def child(engine: Engine, server: Server, repeats: int) -> Found:
    """One child run that answers at once, as eight in a row."""
    each = []
    for _ in range(repeats):
        server.configure(
            root=script.script([script.children_in_turn(8, engine.child)], engine.end("len(results)")),
            sub=script.script([], engine.end("str(len(context))[:0] + 'ok'")),
        )
        asked = engine.ask()
        if _report(asked).get("ok") != 8:
            return {"note": _why(asked)}
        seen = server.counts()
        each.append((seen["sub_last"] - seen["sub_first"]) / 8 * MILLI)
    return {"child": each}


def children(engine: Engine, server: Server, repeats: int) -> Found:
    """Eight child runs at once that print 20 lines each: how many come through, over all repeats the fewest."""
    through = []
    asked = Asked(seconds=0)
    for _ in range(max(repeats, 5)):
        asked = _children(engine, server, "print(context)\n" * CHILD_PRINTS)
        through.append(float(_report(asked).get("ok", 0)))
    return {"children": through} if max(through) else {"note": _why(asked)}


MEASURES: dict[str, Measure] = {
    measure.__name__: measure
    for measure in (
        first_run, fixed, steps, text, table, batch, slow_batch, large_batch, loop, hang, one_fails, all_429, all_500,
        first_429, interrupt, accounts, child, children,
    )
}  # fmt: skip


def _batches(engine: Engine, server: Server, repeats: int, count: int, latency: float) -> Found:
    spans, walls, cpu = [], [], []
    for _ in range(repeats):
        server.configure(root=script.script([script.batch(count)], engine.end("len(results)")), latency=latency)
        began = time.process_time()
        asked = engine.ask()
        cpu.append((time.process_time() - began) / count * MILLI)
        _all_answered(asked, count)
        seen = server.counts()
        spans.append(seen["sub_last"] - seen["sub_first"])
        walls.append(asked.seconds)
    return {
        "batch": spans,
        "batch run": walls,
        "batch processor": cpu,
        "note": f"{seen['peak']} at once, {seen['connections']} connections",
    }


def _with_faults(
    engine: Engine, server: Server, row: str, *, call_seconds: float | None = None, **faults: Any
) -> Found:
    server.configure(root=script.script([script.batch(100)], engine.end("len(results)")), latency=0.05, **faults)
    asked = engine.ask(call_seconds=call_seconds)
    report = _report(asked)
    said = " ".join(str(*report.get("bad", []) or [_why(asked)]).split())
    return {row: [float(report.get("ok", 0))], f"{row} seconds": [asked.seconds], "note": said[:160]}


def _children(engine: Engine, server: Server, code: str) -> Asked:
    server.configure(
        root=script.script([script.children(8, engine.child)], engine.end("len(results)")),
        sub=[*script.script([code], engine.end("str(len(context))[:0] + 'ok'"))],
    )
    return engine.ask()


def _good(asked: Asked) -> Asked:
    if asked.error:
        raise RuntimeError(asked.error)
    return asked


def _all_answered(asked: Asked, count: int) -> None:
    report = _report(_good(asked))
    if report.get("ok") != count:
        raise RuntimeError(f"{report.get('ok')} of {count} were answered: {report.get('bad')}")


def _report(asked: Asked) -> dict[str, Any]:
    """What the script's last line printed; empty if it did not come to that."""
    for line in reversed(asked.printed.splitlines()):
        if line.startswith("{"):
            report: dict[str, Any] = json.loads(line)
            return report
    return {}


def _why(asked: Asked) -> str:
    words = (asked.error or asked.printed or "it printed nothing").split()
    return " ".join(words)[:160]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure one thing with one engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(MEASURES))
    parser.add_argument("--engine", choices=["ours", "shell", "reference"], required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    engine = _engine(options.engine, options.url)
    print(json.dumps(MEASURES[options.name](engine, Server(options.url), options.repeats)))


def _engine(name: str, url: str) -> Engine:
    if name == "reference":
        from speed.reference import Reference

        return Reference(url)
    from speed.ours import Ours, OursInShell

    return Ours(url) if name == "ours" else OursInShell(url)


if __name__ == "__main__":
    main()
