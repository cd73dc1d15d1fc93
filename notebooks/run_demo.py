"""Run a notebook in a real kernel, and print its questions and answers as they come.

    python notebooks/run_demo.py notebooks/quickstart.ipynb

The executed notebook, with all outputs, is written to `demo/`. The exit status is 1 if a cell fails.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel of this environment, whatever else is registered

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

RUN = "application/vnd.rlm.run+json"
HERE = Path(__file__).parent
INDENT = " " * 8
CELL_SECONDS = 1200


class LiveLine:
    """What goes on right now: on a terminal one line that is overwritten, elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._said = time.monotonic()

    def show(self, text: str) -> None:
        """Show a line until the next one."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - len(INDENT) - 1
            print(f"\r\x1b[2K{INDENT}{text[:width]}", end="", flush=True)
        elif time.monotonic() - self._said > 10:  # noqa: PLR2004
            self._said = time.monotonic()
            say(f"{INDENT}... {text}")

    def clear(self) -> None:
        """Take it away."""
        self._said = time.monotonic()
        if self._terminal:
            print("\r\x1b[2K", end="", flush=True)


class Demo(NotebookClient):
    """Executes a notebook; tells what each cell does."""

    def __init__(self, notebook: nbformat.NotebookNode, **options: Any) -> None:
        super().__init__(notebook, **options)
        self.asked = 0
        self._line = LiveLine()
        self._cells = [index for index, cell in enumerate(notebook.cells) if is_code(cell)]

    async def async_execute_cell(self, cell: nbformat.NotebookNode, cell_index: int, **options: Any) -> Any:
        """Execute one cell between what it asks and what came of it."""
        if not is_code(cell):
            return await super().async_execute_cell(cell, cell_index, **options)
        question = question_of(cell.source)
        where = f"[{self._cells.index(cell_index) + 1:>2}/{len(self._cells)}]"
        say(f"{where} {question or first_line(cell.source)}")
        began = time.monotonic()
        try:
            done = await super().async_execute_cell(cell, cell_index, **options)
        finally:
            self._line.clear()
        seconds = time.monotonic() - began
        if question:
            self.asked += 1
            say(f"{INDENT}answer: {answer_of(cell)}   ({steps_of(cell)}{seconds:.1f} s)\n")
        return done

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> Any:
        """Show the status lines of a run while it goes on."""
        data = msg["content"].get("data", {})
        if msg["msg_type"] in {"display_data", "update_display_data"} and RUN not in data:
            self._line.show(" ".join(data.get("text/plain", "").split()))
        return super().process_message(msg, cell, cell_index)


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def is_code(cell: nbformat.NotebookNode) -> bool:
    """Does the cell do anything?"""
    return bool(cell.cell_type == "code" and cell.source.strip())


def first_line(source: str) -> str:
    """The first line of code, and whether there is more."""
    line, *more = source.strip().splitlines()
    return f"{line} ..." if more else line


def question_of(source: str) -> str:
    """The question of a ``%%rlm`` cell, in one line."""
    head, _, body = source.strip().partition("\n")
    return " ".join(body.split()) if head.split()[0] == "%%rlm" else ""


def answer_of(cell: nbformat.NotebookNode) -> str:
    """The value that the cell has shown."""
    values = [output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result"]
    text = values[0] if values else "None"
    return text if "\n" not in text else "\n" + "\n".join(INDENT + line for line in text.splitlines()[:12])


def steps_of(cell: nbformat.NotebookNode) -> str:
    """How many steps the run took, from what it left in the output."""
    for output in cell.outputs:
        for step in output.get("data", {}).get(RUN, {}).get("steps", [])[-1:]:
            return f"{step['step']} step{'s' if step['step'] > 1 else ''}, "
    return ""


def run(path: Path, out: Path) -> int:
    """Execute a notebook; gives the exit status."""
    notebook = nbformat.read(path, as_version=4)
    quiet = ["--IPKernelApp.log_level=40"]
    demo = Demo(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(HERE)}}, extra_arguments=quiet)
    say(f"{path.name}, on Python {platform.python_version()}, {os.cpu_count()} cores\n")
    began = time.monotonic()
    failure = ""
    try:
        demo.execute()
    except CellExecutionError as exc:
        failure = f"{exc.ename}: {exc.evalue}"
    except (CellTimeoutError, DeadKernelError) as exc:
        failure = str(exc)
    out.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out)
    if failure:
        say(f"\nA cell failed. {failure}")
    else:
        questions = "question" if demo.asked == 1 else "questions"
        say(f"\n{demo.asked} {questions} answered in {time.monotonic() - began:.0f} s.")
    say(f"The executed notebook, with the tree of every run: {out}")
    return 1 if failure else 0


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description="Run a notebook in a real kernel and print its questions and answers.")
    parser.add_argument("notebook", type=Path, nargs="?", default=HERE / "quickstart.ipynb")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the executed notebook (demo/NAME.ipynb)")
    given = parser.parse_args()
    return run(given.notebook, given.out or HERE.parent / "demo" / given.notebook.name)


if __name__ == "__main__":
    sys.exit(main())
