"""Made-up weights in made-up packages, and the real ones put together once for all tests that ask the real model."""

import contextlib
import hashlib
import importlib
import os
import pickle
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from rlm_kernel.models import local
from rlm_kernel.models.local import weights
from rlm_kernel.models.local.table import QWEN, Part, Weights

ROOT = Path(__file__).resolve().parents[2]
_numbers = count()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A directory on the path, for packages that hold parts."""
    directory = tmp_path / "packages"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    return directory


@pytest.fixture
def make_weights(packages):
    """Install pieces as data packages that must not be imported, and return the table that describes them."""

    def make(*pieces: bytes) -> Weights:
        parts = []
        for piece in pieces:
            part = Part(
                package=f"made_up_part{next(_numbers)}",
                file="data/part.bin",
                size=len(piece),
                sha256=hashlib.sha256(piece).hexdigest(),
            )
            place = packages / part.package / part.file
            place.parent.mkdir(parents=True)
            place.write_bytes(piece)
            (packages / part.package / "__init__.py").write_text("raise AssertionError('this is data')\n")
            parts.append(part)
        importlib.invalidate_caches()
        whole = b"".join(pieces)
        return Weights(
            model="made-up",
            file="made-up.gguf",
            size=len(whole),
            sha256=hashlib.sha256(whole).hexdigest(),
            parts=tuple(parts),
            repository="nobody/made-up",
        )

    return make


@pytest.fixture
def elsewhere(packages, tmp_path):
    """Run a script in another process, with `table` and `place` given; returns the process."""
    children = []

    def run(script: str, table: Weights, place: Path, **environment: str) -> subprocess.Popen[str]:
        pickled = tmp_path / "table.pickle"
        pickled.write_bytes(pickle.dumps(table))
        head = (
            "import pickle, sys, time\nfrom pathlib import Path\nfrom rlm_kernel.models.local import weights\n"
            f"table = pickle.loads(Path({str(pickled)!r}).read_bytes())\nplace = Path({str(place)!r})\n"
        )
        path = os.pathsep.join([str(ROOT), str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
        child = subprocess.Popen(
            [sys.executable, "-c", head + script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A home of the local model for this test alone."""
    directory = tmp_path / "home"
    monkeypatch.setenv("RLM_LOCAL_DIR", str(directory))
    return directory


@pytest.fixture(scope="session")
def real_place(tmp_path_factory):
    """The real weights, put together once, in a place of the tests' own: their server is not the user's.

    ``RLM_TEST_LOCAL_DIR`` names a directory that has them already; they are linked from there.
    """
    if not local.available():
        pytest.skip("the extra [local] is not installed")
    directory = tmp_path_factory.mktemp("local")
    if made := os.environ.get("RLM_TEST_LOCAL_DIR"):
        with contextlib.suppress(OSError):  # another file system: they are put together again
            os.link(Path(made) / QWEN.file, directory / QWEN.file)
    weights.ensure(directory=directory)
    return directory
