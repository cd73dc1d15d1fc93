"""Objects that are lazy, slow, broken or hostile, and packages that describe their own types."""

import subprocess
import sys
import time

import pandas as pd
import pytest

from rlm_kernel.describe import BRIEF, FULL, Facts, describe, inventory, register, registry, summarize


class Trap:
    """Fails on whatever is done to it."""

    def _sprung(self, *args):
        raise AssertionError("foreign code was run")

    __len__ = __repr__ = __str__ = __iter__ = __bool__ = __eq__ = __hash__ = __getitem__ = __format__ = __dir__ = (
        __call__
    ) = __contains__ = _sprung

    def __getattr__(self, name):
        raise AssertionError(f"{name} was asked for")


class TrapMeta(type):
    def __repr__(cls):
        raise ValueError("no name")

    def __getattribute__(cls, name):
        raise ValueError("no attributes")


class Broken(metaclass=TrapMeta):
    pass


class Lying:
    """Says that it is a dict, and would load itself to say so."""

    @property
    def __class__(self):
        raise AssertionError("was loaded")


class LazyList(list):
    def __len__(self):
        raise AssertionError("was counted")

    def __iter__(self):
        raise AssertionError("was read")

    __getitem__ = __repr__ = __iter__


class LazyDict(dict):
    def __len__(self):
        raise AssertionError("was counted")

    def __iter__(self):
        raise AssertionError("was read")

    items = keys = values = __getitem__ = get = __repr__ = __iter__


class LazyText(str):
    __slots__ = ()

    def __len__(self):
        raise AssertionError("was counted")

    __getitem__ = __str__ = __repr__ = __iter__ = count = isascii = __len__


class Slow:
    def __repr__(self):
        time.sleep(30)
        return "slow"

    __len__ = __str__ = __repr__


HOSTILE = {
    "trap": Trap(),
    "broken class": Broken(),
    "lying": Lying(),
    "list": LazyList([1, 2, 3]),
    "long list": LazyList(range(5000)),
    "dict": LazyDict(a=1),
    "long dict": LazyDict.fromkeys(range(5000), "x"),
    "text": LazyText("abc" * 1000),
    "slow": Slow(),
    "the class itself": Broken,
}


@pytest.mark.parametrize("name", list(HOSTILE))
@pytest.mark.parametrize("detail", [FULL, BRIEF])
def test_nothing_of_a_foreign_object_is_run(name, detail):
    """Neither the object nor one that holds it is asked for length, text, items or attributes."""
    value = HOSTILE[name]
    began = time.monotonic()
    for held in (
        value,
        [value] * 50,
        {"k": value},
        dict.fromkeys(range(50), value),
        (value, 1),
        pd.DataFrame({"a": pd.Series([value, value], dtype=object)}) if name not in ("trap", "lying") else 1,
    ):
        binding = describe("x", held, detail=detail)
        assert binding.text.startswith("`x` is ")
        assert len(binding.text) < 3000
        summarize(held)
        assert inventory({"x": held}, ["x"])
    assert time.monotonic() - began < 10


def test_what_cannot_be_described_is_told_by_its_type():
    """A trap is an object of its class, no more."""
    assert describe("x", Trap()).text.splitlines()[0] == f"`x` is a {__name__}.Trap."
    assert describe("x", Broken()).text == "`x` is an object."
    assert describe("x", LazyList(range(5000))).text.startswith(
        f"`x` is a {__name__}.LazyList of 5,000 items. Items: int, 0 to 4999"
    )


def test_values_that_hold_themselves_are_described():
    """Cycles end."""
    loop = []
    loop.append(loop)
    ring = {}
    ring["self"] = ring
    for value in (loop, ring, [loop] * 100, dict.fromkeys(range(100), ring)):
        assert len(describe("x", value).text) < 1000


def test_an_interrupt_is_not_swallowed():
    """Ctrl-C during a description ends it."""

    class Interrupting:
        def __rlm_describe__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe("x", Interrupting())


def test_an_object_may_describe_itself():
    """`__rlm_describe__` gives the text; it is bounded, cleaned of what cannot be seen, and its failure costs nothing."""

    class Speaking:
        def __init__(self, text):
            self.text = text

        def __rlm_describe__(self):
            if self.text is None:
                raise RuntimeError("lost")
            return self.text

    assert describe("x", Speaking("an index of 3 papers\nask .find()")).text.splitlines()[1:] == [
        "an index of 3 papers",
        "ask .find()",
    ]
    assert len(describe("x", Speaking("word\n" * 100_000)).text) <= 6000
    assert len(describe("x", Speaking("word " * 100_000)).text) <= 6000
    assert "\u202e" not in describe("x", Speaking("a\u202eb")).text
    assert describe("x", Speaking(None)).text.startswith("`x` is a ")
    assert describe("x", Speaking).type == "class"


@pytest.fixture
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})


class Corpus:
    pass


class Part(Corpus):
    pass


def test_a_package_registers_a_describer_for_its_type(own_registry):
    """By qualified name, for subclasses too; text is enough, facts say more."""
    register(f"{__name__}.Corpus", lambda value, look: f"a corpus, {'short' if look.brief else 'long'} words")
    assert describe("x", Part()).text.endswith("\na corpus, long words")
    assert describe("x", Part(), detail=BRIEF).text.endswith("\na corpus, short words")
    register(
        f"{__name__}.Part", lambda value, look: Facts(type="part", head="a part of 3 texts.", kind="texts", size=3)
    )
    binding = describe("x", Part())
    assert (binding.text, binding.kind, binding.size) == ("`x` is a part of 3 texts.", "texts", 3)
    assert describe("x", Corpus()).text.endswith("a corpus, long words")


def test_a_registered_describer_comes_before_our_own(own_registry):
    """Also for built-in types and by a library's public name; one that fails costs nothing."""
    register("list", lambda value, look: "my list")
    register("pandas.DataFrame", lambda value, look: 1 / 0)
    assert describe("x", [1]).text.endswith("my list")
    assert describe("x", pd.DataFrame({"a": [1]})).text == "`x` is a pandas.DataFrame."


def test_an_entry_point_is_loaded_when_its_type_is_met(tmp_path):
    """An installed package describes its types without being imported first."""
    (tmp_path / "papers.py").write_text(
        "print('loaded')\nclass Shelf: pass\ndef tell(value, look): return 'a shelf of papers'\n"
    )
    info = tmp_path / "papers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: papers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rlm_kernel.describers]\nstand.Shelf = papers:tell\n")
    (tmp_path / "stand.py").write_text("class Shelf: pass\n")
    code = "from rlm_kernel.describe import describe; print(describe('x', 5).text); import stand; print(describe('x', stand.Shelf()).text)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{registry_root()}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["`x` is an int: 5", "loaded", "`x` is a stand.Shelf.", "a shelf of papers"]


def registry_root():
    import pathlib

    return pathlib.Path(registry.__file__).parents[2]


def test_no_library_is_imported_to_describe_what_is_not_of_it():
    """Describing a list in a plain process loads neither pandas, polars nor numpy."""
    code = "import sys; from rlm_kernel.describe import describe; describe('x', [1, {'a': 'b'}]); print(sorted({'pandas', 'polars', 'numpy', 'pyarrow'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(registry_root())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
