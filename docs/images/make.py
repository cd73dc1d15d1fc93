"""Make the pictures of the README anew: a real JupyterLab, a real browser, the bundled local model.

    make images          (or: python docs/images/make.py --out DIR --theme dark --width 700 ...)

Chromium is needed (`.ci/browser` installs it), and Pillow, which comes with matplotlib.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from lab import Front, chromium, jupyterlab, notebook  # noqa: E402 - found through the line above

QUICKSTART = ROOT / "notebooks" / "quickstart.ipynb"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SECONDS = 120
BELOW = 6


def cells() -> list[str]:
    """The cells of the quickstart up to and with its first question."""
    found: list[str] = []
    for cell in json.loads(QUICKSTART.read_text())["cells"]:
        if cell["cell_type"] == "code":
            found.append("".join(cell["source"]))
            if found[-1].startswith("%%rlm"):
                return found
    raise LookupError(f"{QUICKSTART} has no question")


def shoot(page: Page, file: Path, first: int, last: int, colours: int) -> None:
    """Save what lies between the top of one cell and the bottom of another."""
    boxes = [page.locator(".jp-Notebook-cell").nth(cell).bounding_box() for cell in (first, last)]
    if boxes[0] is None or boxes[1] is None:
        raise LookupError("the cells are not in view")
    top, bottom = boxes[0]["y"], boxes[1]["y"] + boxes[1]["height"] + BELOW
    panel = page.locator(".jp-NotebookPanel-notebook").bounding_box() or boxes[0]
    clip = {"x": panel["x"], "y": top, "width": panel["width"], "height": bottom - top}
    picture = Image.open(io.BytesIO(page.screenshot(clip=clip)))
    # A palette: a third of the size, and no eye sees the difference in a page of few colours.
    picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)


def bare(front: Front) -> None:
    """Take away what is not the notebook: the side bar, the marks of the active cell."""
    front.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    front.page.add_style_tag(
        content=".jp-cell-toolbar, .jp-Notebook-footer, .jp-Cell .jp-Collapser {visibility: hidden !important}"
    )


def leave(front: Front) -> None:
    """Move the frame of the active cell out of the picture."""
    front.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    front.page.mouse.move(0, 0)


def live(front: Front, book: list[str], file: Path) -> None:
    """The same question, stepped: the run waits before its first step."""
    last = len(book) - 1
    front.write(last, book[last].replace("%%rlm", "%%rlm --step", 1))
    front.run(last)
    front.outputs(last).locator(".gate .cm-content").wait_for()
    leave(front)
    boxes = front.outputs(last).locator(".rlm-live").bounding_box()
    if boxes is None:
        raise LookupError("the live view is not in view")
    front.page.screenshot(path=file, clip=boxes)


def main() -> None:
    """Ask the first question of the quickstart and keep what the notebook shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("quickstart.png"), metavar="FILE")
    parser.add_argument("--theme", choices=THEMES, default="light")
    parser.add_argument("--width", type=int, default=980, help="of the browser window, in CSS pixels")
    parser.add_argument("--scale", type=float, default=2.0, help="device pixels for a CSS pixel")
    parser.add_argument("--colours", type=int, default=128)
    parser.add_argument("--running", type=Path, metavar="FILE", help="also a picture of the status line")
    parser.add_argument("--launcher", type=Path, metavar="FILE", help="also a picture of the launcher")
    parser.add_argument(
        "--live", type=Path, metavar="FILE", help="also a picture of the live view, at a step that waits"
    )
    parser.add_argument("--opened", type=Path, metavar="FILE", help="also a picture with every part of the tree open")
    given = parser.parse_args()
    book = cells()
    last = len(book) - 1
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = stack.enter_context(chromium())
        server = stack.enter_context(jupyterlab(place, {}, theme=THEMES[given.theme]))
        page = browser.new_page(viewport={"width": given.width, "height": 1000}, device_scale_factor=given.scale)
        front = Front(page, server).lab()
        page.set_default_timeout(SECONDS * 1000)
        if given.launcher:
            page.locator(".jp-LauncherCard").first.wait_for()
            page.screenshot(path=given.launcher)
        front.open(server.put("quickstart.ipynb", notebook(*book)))
        bare(front)
        front.run(*range(last))
        front.start(last)
        if given.running:
            front.outputs(last).get_by_text("running code").or_(
                front.outputs(last).get_by_text("is writing")
            ).first.wait_for()
            shoot(page, given.running, last, last, 256)
        front.wait(last)
        leave(front)
        shoot(page, given.out, last - 1, last, given.colours)
        if given.live:
            live(front, book, given.live)
        if given.opened:
            page.set_viewport_size({"width": given.width, "height": 2600})
            front.outputs(last).locator("details").evaluate_all("all => all.forEach(d => { d.open = true; })")
            shoot(page, given.opened, last, last, 256)


if __name__ == "__main__":
    main()
