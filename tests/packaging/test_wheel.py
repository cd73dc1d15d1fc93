"""The wheel, built and installed into a fresh environment: what is where, and that it works from there.

The environment borrows the libraries of the one that runs the tests, so that nothing is downloaded.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("hatchling", reason="building needs hatchling, which the dev group has")


def call(*arguments, **options):
    done = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=300, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A new environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", folder)
    call(sys.executable, "-m", "pip", "--python", folder, "install", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return folder


@pytest.fixture
def python(environment, tmp_path):
    """Run a script with that environment's Python, away from the checkout."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "JUPYTER_PATH"}}

    def run(*arguments):
        command = [environment / "bin" / "python", *arguments]
        return call(*command, cwd=tmp_path, env=inherited | {"JUPYTER_PREFER_ENV_PATH": "1"}).stdout

    return run


def test_the_wheel_holds_the_package_the_shim_and_the_kernelspec(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names}
    data = next(top for top in tops if top.endswith(".data"))

    assert tops == {"rlm.py", "rlm_kernel", data, data.removesuffix(".data") + ".dist-info"}
    spec = f"{data}/data/share/jupyter/kernels/rlm/"
    assert {name for name in names if name.startswith(data)} == {
        spec + file for file in ("kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg")
    }
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "rlm_kernel").rglob("*") if path.is_file()}
    assert {name for name in here if "__pycache__" not in name} <= names


def test_jupyter_lists_the_kernel(python, environment):
    """Right after `pip install`, with nothing to register."""
    listed = json.loads(python("-m", "jupyter_client.kernelspecapp", "list", "--json"))["kernelspecs"]["rlm"]

    assert Path(listed["resource_dir"]).is_relative_to(environment)
    assert listed["spec"]["display_name"] == "Python 3 (RLM)"


def test_the_installed_kernel_runs_cells(python, environment):
    """The one from the wheel, with the magic there."""
    script = """if True:
        from jupyter_client.manager import start_new_kernel
        manager, client = start_new_kernel(kernel_name="rlm", startup_timeout=120)
        try:
            shown = lambda message: print(message["content"].get("text", ""), end="")
            client.execute_interactive("import rlm_kernel; print(rlm_kernel.__file__)", timeout=60, output_hook=shown)
            client.execute_interactive("%rlm", timeout=60, output_hook=shown)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    """
    where, *commands = python("-c", script).splitlines()

    assert Path(where).is_relative_to(environment)
    assert any("%rlm config" in line for line in commands)


def test_the_command_line_finds_the_shipped_kernelspec(python, environment, tmp_path):
    python("-m", "rlm_kernel", "install", "--prefix", str(tmp_path / "other"))
    folder = tmp_path / "other" / "share" / "jupyter" / "kernels" / "rlm"

    assert json.loads((folder / "kernel.json").read_text())["argv"][0] == str(environment / "bin" / "python")
    assert (folder / "logo-svg.svg").read_bytes() == (ROOT / "kernelspec" / "rlm" / "logo-svg.svg").read_bytes()


SHELL = "from IPython.core.interactiveshell import InteractiveShell as S\ns = S.instance()\n"


def test_the_extension_loads_by_both_names(python):
    for name in ("rlm", "rlm_kernel"):
        script = f"{SHELL}s.run_line_magic('load_ext', '{name}')\nprint('rlm' in s.magics_manager.magics['cell'])"
        assert python("-c", script) == "True\n"


def test_where_another_package_is_called_rlm_ours_still_loads(python, environment):
    """Neither overwrites the other: the package wins over the file, and `rlm_kernel` is always there."""
    (site,) = environment.glob("lib/python*/site-packages")
    foreign = site / "rlm"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("OWNER = 'another distribution'\n")
    try:
        script = f"{SHELL}import rlm; print(rlm.OWNER)\ns.run_line_magic('load_ext', 'rlm')\n"
        assert "not an IPython extension" in python("-c", script)
        script = f"{SHELL}s.run_line_magic('load_ext', 'rlm_kernel')\nprint('rlm' in s.magics_manager.magics['cell'])"
        assert python("-c", script) == "True\n"
    finally:
        shutil.rmtree(foreign)


def test_the_shipped_logos_are_what_jupyter_asks_for():
    """A PNG says its size at the same place always."""
    for size in (32, 64):
        head = (ROOT / "kernelspec" / "rlm" / f"logo-{size}x{size}.png").read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert head[16:24] == size.to_bytes(4, "big") * 2
