"""``python -m rlm_kernel`` as it is typed."""

import json
import subprocess
import sys
from pathlib import Path

from rlm_kernel import __version__

SHIPPED = Path(__file__).parents[2] / "kernelspec" / "rlm"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "rlm_kernel", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_alone_it_prints_help():
    done = command()

    assert done.returncode == 0
    assert "install" in done.stdout
    assert "-f FILE" in done.stdout


def test_it_tells_the_version():
    assert command("--version").stdout == f"rlm-kernel {__version__}\n"


def test_install_names_this_very_python(tmp_path):
    """Jupyter may run on another Python, where the kernel would not be found."""
    done = command("install", "--prefix", str(tmp_path))
    folder = tmp_path / "share" / "jupyter" / "kernels" / "rlm"
    spec = json.loads((folder / "kernel.json").read_text())
    shipped = json.loads((SHIPPED / "kernel.json").read_text())

    assert done.returncode == 0
    assert str(folder) in done.stdout
    assert spec["argv"] == [sys.executable, *shipped["argv"][1:]]
    assert {name: spec[name] for name in ("display_name", "language")} == {
        name: shipped[name] for name in ("display_name", "language")
    }
    assert spec["metadata"].items() >= shipped["metadata"].items()
    assert {file.name for file in folder.iterdir()} == {file.name for file in SHIPPED.iterdir()}


def test_install_again_replaces(tmp_path):
    command("install", "--prefix", str(tmp_path))
    assert command("install", "--prefix", str(tmp_path)).returncode == 0


def test_a_place_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    done = command("install", "--prefix", str(tmp_path / "file"))

    assert done.returncode == 1
    assert done.stderr.startswith("the kernel cannot be registered: ")
    assert done.stderr.count("\n") == 1


def test_install_asks_where():
    done = command("install")
    assert done.returncode == 2
    assert "--user" in done.stderr


def test_an_unknown_option_is_refused():
    assert command("--frobnicate").returncode == 2


def test_help_needs_no_kernel():
    """Neither ipykernel nor IPython is imported to print a help text."""
    code = "import sys, rlm_kernel.__main__ as m; m.main([]); print({'ipykernel', 'IPython'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.endswith("set()\n")
