"""How fast is the engine, beside the reference implementation and beside no engine at all?

    python benchmarks/engine.py                                everything; about ten minutes
    python benchmarks/engine.py --only batch --only loop       these measurements
    python benchmarks/engine.py --without reference            this package alone, with no other environment

Every measurement runs in a process of its own, ours and the reference's one after the other, against one scripted
server in a third process. The reference (`rlms` on the package index) is installed into `.reference` at the
repository's root, because its package has the name of this one's shim. Results go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from speed.control import BENCHMARKS, Server, serving
from speed.floor import floors
from speed.rows import MEASURES, ROWS, median, met, table

REFERENCE = "rlms==0.1.3"
HOME = BENCHMARKS.parent / ".reference"
RESULTS = BENCHMARKS / "results"
ENGINES = ("ours", "shell", "reference")
IN_SHELL = {"fixed", "steps", "text", "table", "batch", "loop"}
"""What is measured in IPython too."""
LONGEST = 900.0  # seconds for one measurement

Found = dict[str, dict[str, list[float]]]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write it down."""
    options = _parser().parse_args(arguments)
    without = frozenset(options.without)
    pythons = {"ours": Path(sys.executable), "shell": Path(sys.executable)}
    if "reference" not in without:
        pythons["reference"] = reference_python()
    measures = options.only or MEASURES
    found: Found = {}
    notes: list[str] = []
    with serving() as server:
        for name in measures:
            for engine in ENGINES:
                if engine in without or (engine == "shell" and name not in IN_SHELL):
                    continue
                values = _measured(name, engine, pythons[engine], server, options.repeats)
                note = values.pop("note", "")
                notes += [f"{name}, {engine}: {note}"] if note else []
                for row, numbers in values.items():
                    found.setdefault(engine, {})[f"{name}/{row}"] = numbers
                _say(name, engine, values, note)
            _write(options.out, found, notes, report(found, notes, measures, pythons.get("reference")))
        if "floors" not in without:
            for kind in ("client", "bare"):
                found[kind] = {name: list(values) for name, values in floors(kind, server, options.repeats).items()}
                _say("floors", kind, found[kind], "")
    notes.append(f"load of the machine at the end: {os.getloadavg()[1]:.1f} processes over five minutes")
    text = report(found, notes, measures, pythons.get("reference"))
    print(text)
    _write(options.out, found, notes, text)
    return 0 if all(_fine(found, row.key) for row in ROWS) or not options.strict else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=MEASURES, metavar="NAME", help=f"{', '.join(MEASURES)}")
    parser.add_argument("--without", action="append", default=[], choices=["shell", "reference", "floors"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "engine.md", help="the table; its .json lies beside it")
    parser.add_argument("--strict", action="store_true", help="end with 1 if anything wanted is not met")
    return parser


def reference_python() -> Path:
    """The Python of an environment that holds the reference implementation, made on first use."""
    python = HOME / "bin" / "python"
    stamp = HOME / REFERENCE
    if not stamp.exists():
        print(f"installing {REFERENCE} into {HOME.name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        packages = [REFERENCE, f"openai=={version('openai')}", "pandas"]  # the same client for both
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        stamp.touch()
    return python


def _measured(name: str, engine: str, python: Path, server: Server, repeats: int) -> dict[str, Any]:
    if name == "load":
        return _load(repeats) if engine == "ours" else {}
    command = [str(python), "-m", "speed.measure", name, "--engine", engine, "--url", server.url]
    # The reference must not find this repository's `rlm` on a path that it was given.
    kept = {key: value for key, value in os.environ.items() if engine != "reference" or key != "PYTHONPATH"}
    rounds = repeats if name == "first_run" else 1
    merged: dict[str, Any] = {}
    for _ in range(rounds):
        done = subprocess.run(
            [*command, "--repeats", str(repeats)],
            cwd=BENCHMARKS, env=kept, capture_output=True, text=True, timeout=LONGEST, check=False,
        )  # fmt: skip
        if done.returncode:
            return {"note": " ".join(done.stderr.split("\n")[-2:])[:200]}
        for row, numbers in json.loads(done.stdout.splitlines()[-1]).items():
            merged[row] = merged.get(row, []) + numbers if isinstance(numbers, list) else numbers
    return merged


_PLAIN = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
"""
_LOADED = f"""{_PLAIN}
began = time.perf_counter()
shell.run_line_magic("load_ext", "rlm_kernel")
print((time.perf_counter() - began) * 1e3)
"""


def _load(repeats: int) -> dict[str, Any]:
    """Loading the extension, timed from within and from outside; each in a fresh process."""
    within, outside = [], []
    for _ in range(max(repeats, 7)):
        plain, _ = _timed(_PLAIN)
        loaded, printed = _timed(_LOADED)
        outside.append((loaded - plain) * 1e3)
        within.append(float(printed))
    return {"load": within, "process": outside}


def _timed(code: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def report(found: Found, notes: list[str], measures: Iterable[str], reference: Path | None) -> str:
    """The whole report as markdown."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("rlm-kernel", "openai", "aiohttp", "ipython"))
    beside = f"Reference: {REFERENCE} in an environment of its own." if reference else "No reference was measured."
    lines = [
        "# Engine benchmarks",
        "",
        f"`make bench-engine`. Python {platform.python_version()}, {os.cpu_count()} cores, {packages}. {beside}",
        "Medians; floors are the best of their repeats. Bold is what misses what is wanted; *times* is the reference's",
        "figure over ours. *client alone* is this package's HTTP client with no engine, *bare aiohttp* that library alone,",
        "both with 256 calls in flight.",
        "",
        table(found, measures),
        "",
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines)


def _write(path: Path, found: Found, notes: list[str], text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    stored = {"found": found, "notes": notes}
    path.with_suffix(".json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def _say(name: str, engine: str, values: dict[str, Any], note: str) -> None:
    shown = ", ".join(f"{row} {' '.join(f'{number:.3g}' for number in numbers)}" for row, numbers in values.items())
    print(f"{name:12} {engine:10} {shown} {note}", file=sys.stderr, flush=True)


def _fine(found: Found, key: str) -> bool:
    value = median(found.get("ours", {}), key)
    return value is None or met(next(row for row in ROWS if row.key == key), value)


if __name__ == "__main__":
    sys.exit(main())
