"""A real JupyterLab server on loopback, and a real Chromium that looks at it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).parents[2]
SECONDS = 60
"""The longest that anything may take; a machine under load is slow, and nothing here waits longer than it must."""

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SERVER = (
    "--no-browser",
    "--allow-root",
    "--expose-app-in-browser",
    "--JupyterNotebookApp.expose_app_in_browser=True",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",
    "--ServerApp.port_retries=0",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
_OPEN = """async path => {
    const app = window.jupyterapp, panel = await app.commands.execute('docmanager:open', {path, factory: 'Notebook'});
    await panel.context.ready;
    await panel.sessionContext.ready;
    return panel.content.model.cells.length;
}"""
_START = """index => {
    const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    window.ran = window.ran ?? {};
    window.ran[index] = false;
    app.commands.execute('notebook:run-cell').finally(() => { window.ran[index] = true; });
}"""
_IDLE = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"""
_WRITE = """([index, source]) => {
    window.jupyterapp.shell.currentWidget.content.model.cells.get(index).sharedModel.setSource(source);
}"""
_SAVE = """() => window.jupyterapp.shell.currentWidget.context.save()"""


def notebook(*cells: str, kernel: str = "python3") -> nbformat.NotebookNode:
    """A notebook of these code cells, none of them run."""
    book = new_notebook(cells=[new_code_cell(cell, id=f"cell-{number}") for number, cell in enumerate(cells)])
    book.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
    return book


class Server:
    """A running JupyterLab."""

    def __init__(self, root: Path, url: str, token: str) -> None:
        self.root, self.url, self.token = root, url, token

    def address(self, path: str) -> str:
        """Where the browser finds something."""
        return f"{self.url}{path}?token={self.token}"

    def put(self, name: str, book: nbformat.NotebookNode) -> str:
        """Write a notebook into the server's directory; gives its path there."""
        nbformat.write(book, self.root / name)
        return name

    def saved(self, name: str) -> nbformat.NotebookNode:
        """The notebook as it lies on the disk."""
        return nbformat.read(self.root / name, as_version=4)


@contextlib.contextmanager
def jupyterlab(place: Path, environment: dict[str, str], *, theme: str = "JupyterLab Light") -> Iterator[Server]:
    """JupyterLab with settings, data and kernels of its own in `place`; its log is ``place/jupyterlab.log``."""
    root, prefix, token = place / "notebooks", place / "prefix", secrets.token_hex(16)
    root.mkdir(parents=True)
    _settings(place / "jupyterlab_settings_dir", theme)
    own = {
        name: str(place / name.lower())
        for name in (
            *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"),
            *("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"),
        )
    }
    environment = {
        **os.environ,
        **own,
        "JUPYTER_PATH": str(prefix / "share" / "jupyter"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        **environment,
    }
    install = [sys.executable, "-m", "rlm_kernel", "install", "--prefix", str(prefix)]
    subprocess.run(install, check=True, capture_output=True, env=environment, timeout=SECONDS)
    command = [sys.executable, "-m", "jupyterlab", *_SERVER]
    command += [f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={token}"]
    with (place / "jupyterlab.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=root)
    try:
        yield Server(root, _url(Path(own["JUPYTER_RUNTIME_DIR"]), process), token)
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _settings(place: Path, theme: str) -> None:
    """What a user has clicked away: the question about news. It would lie over the page."""
    chosen = {
        "notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
        "themes": {"theme": theme},
    }
    for plugin, settings in chosen.items():
        file = place / "@jupyterlab" / "apputils-extension" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))


def _url(runtime: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the server listens, as soon as it says so."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError):  # half written
                return str(json.loads(file.read_text())["url"])
        time.sleep(0.05)
    raise RuntimeError(f"JupyterLab did not start; see jupyterlab.log beside {runtime}")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium without a screen, or Playwright's own where the system has none."""
    path = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


class Front:
    """A page with a notebook in it, in JupyterLab or in Notebook 7."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.dialogs: list[str] = []
        """Every alert, confirm and prompt that a page has opened."""
        page.set_default_timeout(SECONDS * 1000)
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def lab(self) -> Front:
        """Go to JupyterLab, with a clean workspace."""
        self.page.goto(self.server.address("lab/workspaces/tests") + "&reset")
        self.page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        return self

    def open(self, path: str) -> Front:
        """Open a notebook in JupyterLab and wait for its kernel."""
        self.page.evaluate(_OPEN, path)
        return self

    def classic(self, path: str) -> Front:
        """Open a notebook in Notebook 7 and wait for its kernel."""
        self.page.goto(self.server.address(f"notebooks/{path}"))
        self.page.wait_for_function(_IDLE)
        return self

    def run(self, *cells: int) -> None:
        """Run these cells one after the other, each to its end."""
        for cell in cells:
            self.start(cell)
            self.wait(cell)

    def start(self, cell: int) -> None:
        """Begin to run a cell."""
        self.page.evaluate(_START, cell)

    def wait(self, cell: int) -> None:
        """Wait for the end of a cell."""
        self.page.wait_for_function("index => window.ran[index]", arg=cell)

    def write(self, cell: int, source: str) -> None:
        """Put a text into a cell."""
        self.page.evaluate(_WRITE, [cell, source])

    def save(self) -> None:
        """Save the notebook as the user does."""
        self.page.evaluate(_SAVE)

    def close(self) -> None:
        """Shut down the kernels: they would slow down the tests that follow."""
        self.page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")

    def outputs(self, cell: int) -> Locator:
        """The output area of a cell."""
        return self.page.locator(".jp-Notebook-cell").nth(cell).locator(".jp-Cell-outputArea")

    def tree(self, cell: int) -> Locator:
        """The tree that a run has left under a cell."""
        return self.outputs(cell).locator(".jp-RenderedHTMLCommon > div > details").first

    def result(self, cell: int) -> str:
        """The text of ``Out[n]``."""
        return self.outputs(cell).locator(".jp-OutputArea-executeResult .jp-OutputArea-output").inner_text().strip()

    def errors(self, cell: int) -> Sequence[str]:
        """The error outputs of a cell."""
        return self.outputs(cell).locator('[data-mime-type="application/vnd.jupyter.stderr"]').all_inner_texts()
