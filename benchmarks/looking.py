"""What does it cost to look? A run of ten thousand rows, fifty updates a second, in a real JupyterLab.

    python benchmarks/looking.py [--rows 10000] [--seconds 8] [--out FILE]

Shows a run that has that many rows already, with all of them open, then updates it for some seconds, and counts: bytes
and messages on the wire (of the widget's script too, said apart), the kernel's processor time over that of the same
loop with nothing shown, the time from the arrival of the widget to its first painted rows, and tasks of the page that
took longer than 50 ms. At the end the page must show what the kernel knows.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from lab import Front, chromium, jupyterlab, notebook  # noqa: E402

WATCH = """
window.wire = {messages: 0, bytes: 0};
window.tasks = [];
window.painted = window.arrived = null;
new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(task => [task.startTime, task.duration])))
    .observe({type: 'longtask', buffered: true});
const Real = window.WebSocket;
window.WebSocket = class extends Real {
    constructor(...given) {
        super(...given);
        this.addEventListener('message', event => {
            const size = event.data.byteLength ?? event.data.length;
            window.wire.messages++;
            window.wire.bytes += size;
            if (window.arrived !== null || size > 4e6) return;
            const text = typeof event.data === 'string' ? event.data : new TextDecoder().decode(event.data);
            if (text.includes('display_data') && text.includes('widget-view+json')) window.arrived = performance.now();
        });
    }
};
document.addEventListener('DOMContentLoaded', () => {
    const watch = new MutationObserver(() => {
        if (!document.querySelector('.rlm-live .n')) return;
        watch.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = performance.now(); }));
    });
    watch.observe(document.body, {childList: true, subtree: true});
});
"""
PREPARE = """
import sys, time, threading
sys.path.insert(0, {tests!r})
from long_story import many
from rlm_kernel.views.widget import Widget
from rlm_kernel.trajectory.events import CallFinished, CallStarted
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage
events = many({rows})
last = events[-1]
common = dict(run=last.run, parent=last.parent, depth=last.depth)
used = Usage(calls=1, input_tokens=1450, output_tokens=60, dollars=0.0004)
request = Request(messages=(Message("user", "item: what is it about? It goes on for some words more."),))
reply = Reply(text="a theme", model="gpt-5-mini", usage=used)
def update(number):
    call = {rows} * 2 + number // 2
    if number % 2:
        return CallFinished(seq=0, at=time.time(), call=call, reply=reply, seconds=0.1, **common)
    return CallStarted(seq=0, at=time.time(), call=call, step=1, purpose="sub-call", model="gpt-5-mini", request=request, batch=1, **common)
def updates(sink, tick):
    began, cpu = time.monotonic(), time.process_time()
    for number in range({seconds} * 50):
        sink(update(number))
        while time.monotonic() < began + number / 50:
            tick()
            time.sleep(0.005)
    return time.process_time() - cpu
idle = updates(lambda event: None, lambda: None)
"""
SHOW = "widget = Widget()\nfor event in events:\n    widget.sink(event)\nhandle = widget.display()"
UPDATE = "busy = updates(widget.sink, widget.tick)\nwidget.flush()"
ASK = "import json\nrow = widget.live.snapshot()['rows'][3]\nprint(json.dumps([idle, busy, len(widget.live._table.rows), row]))"


def measure(rows: int, seconds: int) -> dict[str, object]:
    """One whole measurement in a fresh server and browser."""
    with jupyterlab(Path(tempfile.mkdtemp()), {}) as server, chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.add_init_script(WATCH)
        front = Front(page, server)
        prepare = PREPARE.format(tests=str(ROOT / "tests" / "browser"), rows=rows, seconds=seconds)
        front.lab().open(server.put("looking.ipynb", notebook(prepare, SHOW, UPDATE, ASK)))
        front.run(0)
        before = page.evaluate("() => ({...window.wire, now: performance.now()})")
        front.run(1)
        page.wait_for_function("window.painted !== null")
        page.evaluate("() => document.querySelector('.rlm-live button[aria-label=\"Open all rows\"]').click()")
        page.wait_for_timeout(300)
        shown = page.evaluate("() => ({...window.wire})")
        front.run(2)
        page.wait_for_timeout(500)
        after = page.evaluate("() => ({...window.wire})")
        front.run(3)
        idle, busy, known, batch = json.loads(front.outputs(3).inner_text())
        tasks = [length for start, length in page.evaluate("window.tasks") if start > before["now"]]
        item = page.locator(f'.rlm-live .n[id$="-{batch["id"]}"]')
        result = {
            "rows": known,
            "seconds": seconds,
            "MB in all": round((after["bytes"] - before["bytes"]) / 1e6, 2),
            "MB to show it": round((shown["bytes"] - before["bytes"]) / 1e6, 2),
            "MB of updates": round((after["bytes"] - shown["bytes"]) / 1e6, 2),
            "messages": after["messages"] - before["messages"],
            "share of the kernel's time": round((busy - idle) / seconds, 4),
            "first paint ms": round(page.evaluate("window.painted - window.arrived")),
            "long tasks": len(tasks),
            "longest task ms": round(max(tasks, default=0)),
            "rows in the page": page.locator(".rlm-live .n").count(),
            "final state right": f"{batch['n']:,} items" in (item.get_attribute("aria-label") or "")
            and batch["state"] == "done",
        }
        front.close()
        return result


def main() -> int:
    """Measure, print, and fail if it costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    result = measure(options.rows, options.seconds)
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    bounds = {"MB in all": 3, "share of the kernel's time": 0.05, "first paint ms": 300, "longest task ms": 150}
    over = {name: result[name] for name, most in bounds.items() if result[name] > most}
    for name, value in over.items():
        print(f"{name}: {value} is over {bounds[name]}")
    return int(bool(over) or not result["final state right"])


if __name__ == "__main__":
    raise SystemExit(main())
