"""What a notebook promises to the person in front of it, seen through a browser in a real JupyterLab."""

import re
import time

import pytest
from lab import notebook
from nbconvert import HTMLExporter

pytestmark = pytest.mark.browser

FRAME = "import pandas as pd\nflights = pd.DataFrame({'carrier': list('AABC'), 'delay': [1, 2, 30, 4]})"
FLIGHTS = "flights = [('A', 1), ('A', 2), ('B', 30), ('C', 4)]"
LOAD = f"%load_ext rlm\n{FLIGHTS}"
ASK = "%%rlm flights -o worst\nWhich carrier is the worst?"

HOSTILE = (
    '<img src=x onerror="window.fired = 1">',
    "<script>window.fired = 2</script>",
    '</pre></details></div><iframe srcdoc="<script>parent.fired = 3</script>"></iframe>',
    "\"><svg onload='window.fired = 4'>",
    "\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x07 \x00",
    "\u202egnp.exe \u200b\u2066hidden\u2069",
    "[click](javascript:window.fired=5)",
)
LONG = "w" * 20_000

_WATCH = """cell => {
    const area = document.querySelectorAll('.jp-Notebook-cell')[cell].querySelector('.jp-Cell-outputArea');
    window.seen = [];
    new MutationObserver(() => {
        const text = area.innerText.trim();
        if (text && text !== window.seen.at(-1)) window.seen.push(text);
    }).observe(area, {childList: true, subtree: true, characterData: true});
}"""
_FOREIGN = """area => Array.from(area.querySelectorAll('*'), node => [
    node.tagName, ...node.getAttributeNames().filter(name => name.startsWith('on') || name === 'srcdoc' || name === 'href')
]).filter(([tag, ...attributes]) => attributes.length || /^(SCRIPT|IFRAME|IMG|SVG|A|OBJECT|EMBED|STYLE|LINK)$/i.test(tag))"""
_WIDTHS = "area => [area.scrollWidth, area.clientWidth]"


def code(*lines):
    text = "\n".join(lines)
    return f"```python\n{text}\n```"


def replies():
    """A run of two steps, the second of which asks a sub-model."""
    return [
        code("# look at the delays", "print(max(flights, key=lambda flight: flight[1]))"),
        code("# ask which is the worst", "name = llm_query('Which is the worst?')", "FINAL(name)"),
        "B",
    ]


def test_a_cell_shows_a_line_that_moves_then_the_tree_and_the_answer(front, server, model):
    """While it runs one line says where it is; at the end the tree stands in its place and the answer is the Out."""
    model(replies(), latency=0.8)
    front.lab().open(server.put("moves.ipynb", notebook(LOAD, ASK.replace("-o", "--no-widget -o"), "worst")))
    front.run(0)
    front.page.evaluate(_WATCH, 1)
    front.run(1, 2)
    seen = front.page.evaluate("window.seen")
    lines = [text for text in seen if "Messages" not in text]
    for words in ("scripted is writing", "step 2", "running llm_query"):
        assert any(words in line for line in lines), (words, lines)
    assert len(set(lines)) >= 4
    tree = front.tree(1)
    assert "done" in tree.locator("summary").first.inner_text()
    assert tree.get_by_text("look at the delays", exact=True).is_visible()
    assert tree.get_by_text("is writing").count() == 0
    assert front.outputs(1).locator(".jp-OutputArea-child").count() == 2
    assert front.result(1) == front.result(2) == "'B'"


def test_the_tree_opens_and_closes_without_a_script(front, server, model):
    """A closed step opens by a click, and shows its code and what it printed."""
    model(replies())
    front.lab().open(server.put("opens.ipynb", notebook(LOAD, ASK)))
    front.run(0, 1)
    step = front.tree(1).locator("details").filter(has_text="look at the delays").first
    printed = step.locator("pre").filter(has_text="('B', 30)")
    assert not printed.is_visible()
    step.locator("summary").first.click()
    assert printed.is_visible()
    assert step.get_by_text("# look at the delays", exact=True).is_visible()


def test_hostile_text_of_a_model_shows_as_text_here_and_in_an_export(front, server, model):
    """Markup, scripts, escape codes, bidi marks and huge lines: in code, output, errors, sub-calls and the answer."""
    every = "\n".join((*HOSTILE, LONG))
    model(
        [
            code(f"# {HOSTILE[0]}", f"print({every!r})", f"bad = {HOSTILE[1]!r}"),
            code(f"raise ValueError({every!r})"),
            code(f"said = llm_query({every!r})", "print(said)", f"FINAL({every!r})"),
            every,
        ]
    )
    ask = f"%%rlm flights\nWhat is {HOSTILE[0]}?"
    front.lab().open(server.put("hostile.ipynb", notebook(LOAD, ask)))
    front.run(0, 1)
    area = front.outputs(1)
    area.locator("details").evaluate_all("all => all.forEach(node => { node.open = true; })")
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[3], HOSTILE[6]):
        assert area.get_by_text(text).first.is_visible(), text
    text = area.inner_text()
    assert "␛[31mred" in text
    assert "⟨U+202E⟩gnp.exe" in text
    assert not set(text) & set("\x1b\x07\x00\u202e\u200b\u2066")
    assert front.tree(1).evaluate(_FOREIGN) == []
    wide, room = area.evaluate(_WIDTHS)
    assert wide <= room + 1
    assert front.dialogs == []
    assert front.page.evaluate("window.fired === undefined")
    front.save()
    page, _ = HTMLExporter().from_notebook_node(server.saved("hostile.ipynb"))
    begin = page.index("<details", page.index("jp-Cell-outputWrapper"))
    tree = page[begin : page.rindex("</details>")]
    assert "&lt;script&gt;window.fired = 2&lt;/script&gt;" in tree
    assert not re.search(r"<(script|iframe|link|style|svg|a)\b", tree)
    assert "<script>window.fired" not in page


def test_a_saved_notebook_shows_the_tree_without_kernel_and_without_trust(front, server, model):
    """Opened by someone else, with no kernel for it, it still shows the run."""
    model(replies())
    front.lab().open(server.put("kept.ipynb", notebook(LOAD, ASK)))
    front.run(0, 1)
    front.save()
    book = server.saved("kept.ipynb")
    book.metadata["kernelspec"]["name"] = "nowhere"  # changes the signature as well: nobody vouches for it any more
    server.put("foreign.ipynb", book)
    front.lab()
    front.page.evaluate("() => { window.jupyterapp.commands.execute('docmanager:open', {path: 'foreign.ipynb'}); }")
    dialog = front.page.locator(".jp-Dialog")
    dialog.locator("select").select_option(label="No Kernel")
    dialog.locator(".jp-mod-accept").click()
    assert front.tree(1).get_by_text("look at the delays", exact=True).is_visible()
    assert front.page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets[1].model.trusted") is False
    assert front.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session") is None
    summary = front.tree(1).locator("details summary").first
    summary.click()
    assert front.tree(1).locator("pre").filter(has_text="('B', 30)").first.is_visible()


def test_the_interrupt_button_stops_a_run_in_the_middle_of_a_call(front, server, model):
    """The cell ends at once with one line, nothing further is asked, and the next cell works."""
    asked = model(lambda _messages: code("FINAL(1)"), latency=60)
    front.lab().open(server.put("stop.ipynb", notebook(LOAD, ASK, "1 + 1", "run = %rlm last\nrun.status")))
    front.run(0)
    front.start(1)
    front.outputs(1).get_by_text("is writing").first.wait_for()
    begun = time.monotonic()
    front.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    front.wait(1)
    assert time.monotonic() - begun < 10
    (error,) = front.errors(1)
    assert len(error.strip().splitlines()) == 1
    assert "interrupt" in error.lower()
    assert "stopped" in front.tree(1).inner_text()
    assert (len(asked.requests), asked.cancelled) == (1, 1)
    front.run(2, 3)
    assert (front.result(2), front.result(3)) == ("2", "'stopped'")


def test_the_kernel_is_in_the_launcher_and_answers_a_question(front, server, model):
    """A click on "Python 3 (RLM)" gives a notebook in which a line that begins with @ is a question."""
    model([code("FINAL(len(flights))")])
    front.lab()
    front.page.locator('.jp-LauncherCard[data-category="Notebook"]', has_text="Python 3 (RLM)").click()
    front.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.name === 'rlm'"
    )
    front.write(0, FRAME)
    front.run(0)
    front.page.evaluate("() => window.jupyterapp.commands.execute('notebook:insert-cell-below')")
    front.write(1, "@flights how many rows are there?")
    front.run(1)
    assert front.result(1) == "4"
    assert "how many rows are there?" in front.tree(1).locator("summary").first.inner_text()


def test_notebook_7_shows_the_same(front, server, model):
    """Line, tree and answer in the single-document interface."""
    model(replies(), latency=0.4)
    front.classic(server.put("classic.ipynb", notebook(LOAD, ASK)))
    front.run(0)
    front.page.evaluate(_WATCH, 1)
    front.run(1)
    assert any("is writing" in text for text in front.page.evaluate("window.seen"))
    assert front.tree(1).get_by_text("look at the delays", exact=True).is_visible()
    assert front.result(1) == "'B'"
