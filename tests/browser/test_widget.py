"""The live view in a real JupyterLab: it grows, it is safe, it is quick, it goes by keys, its buttons say what they should."""

import time

import pytest
from lab import Front, jupyterlab, notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

WIDGET = """
import sys
sys.path[:0] = [{here!r}]
from long_story import hostile, many, story, until_now
from rlm_kernel.views.widget import Widget
widget, said = Widget(), []
widget.on_control(said.append)
handle = widget.display()
"""
TELL = "for event in until_now(story({mode!r})):\n    widget.sink(event)\nwidget.flush()"
SAID = "print([{name: value for name, value in each.items() if name != 'nonce'} for each in said])"
_ACTS = """area => Array.from(area.querySelectorAll('*'), node => [
    node.tagName, ...node.getAttributeNames().filter(name => /^on|^(srcdoc|href|formaction|xlink:href)$/.test(name))
]).filter(([tag, ...names]) => names.length || /^(SCRIPT|IFRAME|A|OBJECT|EMBED|LINK|SVG)$/i.test(tag))"""


@pytest.fixture
def widget(request):
    """Cells before anything is told."""
    return WIDGET.format(here=str(request.path.parent))


def opened(front, server, name, *cells):
    front.lab().open(server.put(f"{name}.ipynb", notebook(*cells)))
    front.run(0)
    view = front.page.locator(".rlm-live")
    view.wait_for()
    return view


def told(front, cell):
    """What the buttons have said, as the kernel got it."""
    front.run(cell)
    return eval(front.outputs(cell).inner_text())  # our own words


def test_the_tree_grows_while_the_cell_runs(front, server, widget):
    """Rows, states, counts and what is being written appear before the cell is over, in order."""
    slowly = """
import time
events = until_now(story("writing"))
for number, event in enumerate(events):
    widget.sink(event)
    widget.tick()
    time.sleep(0.12 if event.tag.startswith(("step", "run")) else 0.004)
for piece in ("Now I compare ", "week by week."):
    widget.live.stream(5, piece)
    time.sleep(0.3)  # the thread of the widget sends, for this one is busy
time.sleep(2)
"""
    view = opened(front, server, "grows", widget, slowly)
    front.start(1)
    rows = view.get_by_role("treeitem")
    view.get_by_role("treeitem", name="step 1").wait_for()
    seen = [rows.count()]
    view.get_by_role("treeitem", name="batch: llm_map").wait_for()
    assert "of" in view.get_by_role("treeitem", name="batch: llm_map").inner_text()
    seen.append(rows.count())
    view.get_by_role("treeitem", name="step 5").wait_for()
    seen.append(rows.count())
    view.locator(".writing", has_text="Now I compare week by week.").wait_for()
    assert not front.page.evaluate("window.ran[1]")
    assert seen == sorted(seen)
    assert seen[0] < seen[2]
    assert "running" in view.locator(".chip").inner_text()
    front.wait(1)
    assert view.get_by_role("treeitem", name="batch: llm_map").get_attribute("data-state") == "done"


REAL = """
import rlm_kernel
from rlm_kernel.plane import Plane
flights = [("A", 1), ("A", 2), ("B", 30), ("C", 4)]
plane = Plane(get_ipython(), lambda data, buffers: widget.receive(data["content"]))
plane.watch(widget.comm_id)
with plane.listening():
    run = rlm_kernel.run("Which carrier is the worst?", {"flights": flights}, sinks=[widget.sink], memo=False)
widget.rest()
"""


def test_a_real_run_is_looked_into_while_it_goes_on(front, server, model, widget):
    """A page of a row is opened, and a button heard, while the cell that runs keeps the main thread."""
    code = lambda *lines: "```python\n" + "\n".join(lines) + "\n```"
    model(
        [code("# look at the delays", "print(max(flights))"), code("# ask", "FINAL(llm_query('Which?'))"), "B"],
        latency=2.0,
    )
    view = opened(front, server, "real", widget, REAL, "print([each['action'] for each in said], run.answer)")
    front.start(1)
    view.get_by_role("treeitem", name="step 1: look at the delays").click()
    view.get_by_role("tabpanel").locator("pre.plain", has_text="('C', 4)").wait_for()
    view.get_by_role("button", name="Pause", exact=True).click()
    assert not front.page.evaluate("window.ran[1]")
    front.wait(1)
    front.run(2)
    assert front.outputs(2).inner_text().strip() == "['pause'] B"
    expect(view.locator(".chip")).to_contain_text("✓ done · 2 steps")
    view.get_by_role("treeitem", name="sub-call: Which?").click()
    view.get_by_role("tabpanel").locator("pre", has_text="B").wait_for()


def test_rows_say_where_they_stand_and_every_control_has_a_name(front, server, widget):
    """Levels, places and states for those who hear the page."""
    view = opened(front, server, "roles", widget + TELL.format(mode="done"))
    item = view.get_by_role("treeitem", name="step 3")
    attributes = {name: item.get_attribute(f"aria-{name}") for name in ("level", "posinset", "setsize")}
    assert attributes == {"level": "2", "posinset": "3", "setsize": "6"}
    assert view.get_by_role("treeitem", name="batch: llm_map").get_attribute("aria-expanded") == "false"
    nameless = view.evaluate("""view => Array.from(view.querySelectorAll('button, input, [role=tree], [role=meter], canvas'))
        .filter(each => !each.hidden && !(each.ariaLabel || each.textContent.trim())).map(each => each.outerHTML)""")
    assert nameless == []


def test_the_page_of_a_step_shows_code_table_figure_and_names(front, server, widget):
    """As the notebook would show them."""
    view = opened(front, server, "page", widget + TELL.format(mode="done"))
    view.get_by_role("treeitem", name="step 3").click()
    panel = view.get_by_role("tabpanel")
    panel.locator(".tok-comment", has_text="# compare this quarter").wait_for()
    assert panel.locator("table td").all_inner_texts() == [
        "billing error",
        "0.84",
        "late refund",
        "0.61",
        "login loop",
        "0.47",
    ]
    assert panel.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    assert "labels DataFrame 5,860 x 7" in panel.locator(".names").inner_text()
    view.get_by_role("tab", name="Messages").click()
    panel.get_by_text("Now I compare.").wait_for()
    view.get_by_role("treeitem", name="step 5").click()
    view.get_by_role("tab", name="Code").click()
    panel.locator(".error", has_text="KeyError").wait_for()


def test_a_filter_and_a_search_leave_what_matches_and_all_above_it(front, server, widget):
    view = opened(front, server, "filter", widget + TELL.format(mode="done"))
    names = view.locator(".n:visible .name")
    view.get_by_role("button", name="Failed 3").click()
    view.get_by_role("treeitem", name="step 1:").wait_for(state="hidden")
    expect(names).to_have_count(6)
    view.get_by_role("button", name="All 254").click()
    view.get_by_role("searchbox").fill("week 29")
    view.get_by_role("treeitem", name="step 1:").first.wait_for(state="hidden")
    expect(names.last).to_have_text("What changed in week 29?")
    view.get_by_role("searchbox").fill("nobody said this")
    view.get_by_text("No row matches.").wait_for()


def test_the_tree_goes_by_keys_alone_and_the_notebook_keeps_its_cells(front, server, widget):
    """In JupyterLab x cuts the cell, a adds one, p or r may mean anything: not while the tree has the focus."""
    view = opened(front, server, "keys", widget + TELL.format(mode="waiting"), "1")
    cells = front.page.locator(".jp-Notebook-cell").count()
    tree = view.get_by_role("tree")
    view.get_by_role("treeitem", name="step 5").wait_for()
    tree.focus()
    press = front.page.keyboard.press
    press("Home")
    chosen = tree.locator('[aria-selected="true"]')
    expect(chosen).to_contain_text("gpt-5")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        press(key)
    expect(chosen).to_contain_text("llm_map")
    press("ArrowRight")
    view.get_by_role("treeitem", name="complaint 0:").wait_for()
    press("ArrowRight")
    expect(chosen).to_contain_text("complaint 0")
    assert tree.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    press("End")
    press("ArrowLeft")
    press("/")
    assert view.get_by_role("searchbox").evaluate("box => box === document.activeElement")
    front.page.keyboard.type("xxabdd")
    press("Escape")
    assert tree.evaluate("tree => tree === document.activeElement")
    for key in "bcofdzm":
        press(key)
    press("x")
    front.page.wait_for_timeout(300)
    assert front.page.locator(".jp-Notebook-cell").count() == cells
    press("Shift+Tab")
    assert view.evaluate("view => view.contains(document.activeElement)")


def test_the_controls_say_what_was_pressed(front, server, widget):
    """Each button sends its action; what cannot be done now cannot be pressed."""
    view = opened(
        front,
        server,
        "controls",
        widget + TELL.format(mode="running"),
        SAID,
        TELL.format(mode="waiting").replace("widget.sink", "(lambda e: e.tag == 'paused' and widget.sink(e))"),
        SAID,
    )
    button = lambda name: view.locator(".controls").get_by_role("button", name=name, exact=True)
    assert button("Resume").get_attribute("aria-disabled") == "true"
    button("Pause").click()
    button("Stop").click()
    front.page.wait_for_timeout(300)
    assert told(front, 1) == [{"type": "control", "action": "pause"}, {"type": "control", "action": "stop"}]
    front.run(2)
    view.locator(".gate").wait_for()
    assert button("Pause").get_attribute("aria-disabled") == "true"
    for name in ("Resume", "Step", "Step into"):
        button(name).click()
    front.page.wait_for_timeout(300)
    assert [each["action"] for each in told(front, 3)[2:]] == ["resume", "step", "into"]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("Approve", {"action": "approve"}),
        ("Skip", {"action": "skip"}),
        ("Edit", {"action": "edit", "code": "print('mine')"}),
        ("Reject", {"action": "reject", "reason": "not on this disk"}),
    ],
)
def test_a_step_that_waits_is_answered(front, server, widget, act, expected):
    """Approve, Skip, the edited code, a reason; once, however often it is pressed."""
    view = opened(front, server, f"waits-{act}", widget + TELL.format(mode="waiting"), SAID)
    gate = view.get_by_role("region", name="Step 5 waits")
    assert 'It writes a file (line 3: out.to_csv("themes.csv")).' in gate.inner_text()
    button = gate.get_by_role("button", name=act)
    if act == "Edit":
        button.click()
        front.page.keyboard.press("Control+a")
        front.page.keyboard.type("print('mine')")
        assert gate.get_by_role("button", name="Approve").get_attribute("aria-disabled") == "true"
    button.click()
    if act == "Reject":
        front.page.keyboard.type("not on this disk")
        front.page.keyboard.press("Enter")
    button.click(force=True)
    front.page.wait_for_timeout(300)
    assert told(front, 1) == [{"type": "control", **expected}]


def test_hostile_text_of_a_model_stays_text(front, server, widget):
    """Scripts, handlers, frames, escape codes, bidi marks and huge lines: in rows, pages, tables, figures and the gate."""
    cell = "for event in hostile():\n    widget.sink(event)\nwidget.flush()\nwidget.live.stream(2, '<img src=x onerror=window.fired=1>')"
    view = opened(front, server, "hostile", widget + cell)
    view.get_by_role("treeitem", name="step 1:").wait_for()
    for row in view.get_by_role("treeitem").all():
        row.click()
        for tab in view.get_by_role("tab").all():
            tab.click()
            front.page.wait_for_timeout(120)
            view.evaluate("view => view.querySelectorAll('details').forEach(each => { each.open = true; })")
            front.page.wait_for_timeout(120)
            assert view.evaluate(_ACTS) == []
    front.page.wait_for_timeout(300)
    assert front.page.evaluate("window.fired") is None
    assert front.dialogs == []
    unseen = view.evaluate(r"view => view.innerText.match(/[\u202e\u2066-\u2069\u200b\x00-\x08\x1b]/g)")
    assert unseen is None
    assert view.evaluate("view => view.scrollWidth <= view.clientWidth + 1")


def test_ten_thousand_rows_are_a_few_dozen_in_the_page(front, server, widget):
    """And the last of them is one key away."""
    view = opened(front, server, "many", widget + "for event in many(10_000):\n    widget.sink(event)\nwidget.flush()")
    batch = view.get_by_role("treeitem", name="batch: llm_query_batched")
    batch.wait_for()
    batch.dblclick()
    tree = view.get_by_role("tree")
    tree.focus()
    began = time.monotonic()
    front.page.keyboard.press("End")
    last = view.get_by_role("treeitem", name="item 9999:")
    last.wait_for()
    assert time.monotonic() - began < 5
    assert last.get_attribute("aria-setsize") == "10000"
    assert last.get_attribute("aria-posinset") == "10000"
    assert view.locator(".n").count() < 60


def test_a_megabyte_comes_when_it_is_opened_and_in_pieces(front, server, widget):
    """Counted on the wire: opening the page of the call brings little, its prompt a piece."""
    received = []
    front.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    view = opened(
        front,
        server,
        "megabyte",
        widget + "for event in many(1, prompt='line\\n' * 200_000):\n    widget.sink(event)\nwidget.flush()",
    )
    view.get_by_role("treeitem", name="step 1").wait_for()
    front.page.wait_for_timeout(500)
    before = sum(received)
    view.get_by_role("treeitem", name="batch:").dblclick()
    view.get_by_role("treeitem", name="sub-call:").click()
    message = view.locator("details.message summary")
    message.wait_for()
    assert "1,000,000 characters" in message.inner_text()
    assert sum(received) - before < 20_000
    message.click()
    view.get_by_role("button", name="Show more").wait_for()
    assert 20_000 < sum(received) - before < 120_000


def test_the_last_view_is_right_when_messages_were_missed(front, server, widget):
    """A gap in the numbers makes the page ask for everything."""
    lose = "events = until_now(story('done'))\nfor number, event in enumerate(events):\n    widget.sink(event)\n    if number % 50 == 0:\n        widget.flush() if number % 100 else widget.live.flush(0)\nwidget.flush()"
    view = opened(front, server, "gap", widget, lose)
    front.run(1)
    view.get_by_role("treeitem", name="step 6").wait_for()
    expect(view.locator(".chip")).to_contain_text("✓ done")
    expect(view.get_by_role("treeitem", name="batch:")).to_contain_text("240 items")


def test_after_a_reload_of_the_page_another_cell_shows_it_again(front, server, widget):
    """And it goes on from there: what was sent while the page was away is asked for."""
    more = "for event in until_now(story('done'))[-12:]:\n    widget.sink(event)\nwidget.flush()"
    cell = "events = until_now(story('done'))\nfor event in events[:-12]:\n    widget.sink(event)\nwidget.flush()"
    opened(
        front,
        server,
        "reload",
        widget + cell,
        "handle = widget.display()",
        more.replace("until_now(story('done'))", "events"),
    )
    front.save()
    front.lab().open("reload.ipynb")
    front.run(1, 2)
    view = front.outputs(1).locator(".rlm-live")
    expect(view.locator(".chip")).to_contain_text("✓ done · 6 steps")
    view.get_by_role("treeitem", name="step 3").click()
    view.get_by_role("tabpanel").locator("table").wait_for()


def test_notebook_7_shows_it_too(front, server, widget):
    view = front.page.locator(".rlm-live")
    front.classic(server.put("seven.ipynb", notebook(widget + TELL.format(mode="done"))))
    front.run(0)
    view.get_by_role("treeitem", name="step 3").click()
    view.get_by_role("tabpanel").locator("table").wait_for()


@pytest.fixture(scope="module")
def dark(clean_environment, tmp_path_factory):
    """JupyterLab in its dark theme."""
    with jupyterlab(tmp_path_factory.mktemp("dark"), {}, theme="JupyterLab Dark") as running:
        yield running


@pytest.mark.parametrize("width", [1280, 740])
def test_the_dark_theme_is_dark_and_its_words_can_be_read(browser, dark, widget, width):
    """Contrast of every visible text of 4.5 to 1 at least, as WCAG asks, wide and narrow; nothing runs out of its place."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    front = Front(context.new_page(), dark)
    view = opened(front, dark, f"dark{width}", widget + TELL.format(mode="waiting"))
    view.get_by_role("treeitem", name="step 5").wait_for()
    poor = view.evaluate(_CONTRAST)
    assert poor == []
    assert view.evaluate("view => view.scrollWidth <= view.clientWidth + 1")
    front.close()
    context.close()


def test_the_light_theme_can_be_read_too(front, server, widget):
    view = opened(front, server, "light", widget + TELL.format(mode="waiting"))
    view.get_by_role("treeitem", name="step 5").wait_for()
    assert view.evaluate(_CONTRAST) == []


_CONTRAST = """view => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgb = (color, under = [255, 255, 255]) => {
        canvas.fillStyle = `rgb(${under.join(' ')})`; canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return Array.from(canvas.getImageData(0, 0, 1, 1).data).slice(0, 3);
    };
    const light = color => {
        const [r, g, b] = color.map(part => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = node => {
        const stack = [];
        for (let each = node; each; each = each.parentElement) stack.push(getComputedStyle(each).backgroundColor);
        return stack.reverse().reduce((under, color) => rgb(color, under), [255, 255, 255]);
    };
    const poor = [];
    for (const node of view.querySelectorAll('*')) {
        const words = Array.from(node.childNodes).filter(each => each.nodeType === 3).map(each => each.data.trim()).join('');
        if (!words || !node.checkVisibility() || node.closest('[aria-disabled="true"]')) continue;
        const under = ground(node), [one, other] = [light(rgb(getComputedStyle(node).color, under)), light(under)];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) poor.push([words.slice(0, 30), node.className, contrast.toFixed(2)]);
    }
    return poor;
}"""
