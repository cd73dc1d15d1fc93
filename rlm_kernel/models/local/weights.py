"""The weights: put together once, and never used unless their hash is the publisher's.

Hashing a gigabyte takes seconds, so it is done once; afterwards a stamp beside the file (size, times, inode) tells
whether it is still the file that was hashed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlm_kernel.errors import LocalModelError
from rlm_kernel.models.local import assembly, places
from rlm_kernel.models.local.progress import Progress, show_nothing
from rlm_kernel.models.local.table import QWEN, Weights

_LOCK_SPELL = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsState:
    """What lies on the disk."""

    kind: Literal["missing", "parts", "assembled", "verified", "own"]
    """Not all there; there in parts; one file of the right size; the same, hash proven; a file that the user named."""
    path: Path
    """Where the file is or would be."""
    bytes: int
    """Its size; 0 if it is not there."""
    missing: tuple[str, ...] = ()
    """Distributions that are not installed, if the file itself is not there either."""


def inspect(weights: Weights = QWEN, directory: Path | None = None) -> WeightsState:
    """Look at what is there, without hashing anything."""
    if own := own_file():
        return WeightsState(kind="own", path=own, bytes=own.stat().st_size if own.is_file() else 0)
    path = (directory or places.home()) / weights.file
    if _right_size(path, weights):
        kind: Literal["verified", "assembled"] = "verified" if _stamped(path, weights) else "assembled"
        return WeightsState(kind=kind, path=path, bytes=weights.size)
    missing = tuple(part.distribution for part in weights.parts if assembly.find(part) is None)
    return WeightsState(kind="missing" if missing else "parts", path=path, bytes=0, missing=missing)


def own_file() -> Path | None:
    """The model file that the user named in ``RLM_LOCAL_MODEL``, if any."""
    chosen = os.environ.get("RLM_LOCAL_MODEL")
    return Path(chosen).expanduser().absolute() if chosen else None


def target(weights: Weights = QWEN) -> Path:
    """The file that a server would load now, be it there or not."""
    return own_file() or places.home() / weights.file


def ensure(weights: Weights = QWEN, directory: Path | None = None, progress: Progress = show_nothing) -> Path:
    """The path of the weights, put together and verified where that was not done yet.

    Raises:
        LocalModelError: a part is missing or broken, or there is no room.
    """
    if own := own_file():
        return _checked_own(own, progress)
    directory = places.make_dir(directory or places.home())
    path = directory / weights.file
    if _right_size(path, weights) and _stamped(path, weights):
        return path
    with _locked(directory / f"{weights.file}.lock", progress):
        if not _verified(path, weights, progress):
            assembly.obtain(path, weights, progress)
            places.replace_file(_stamp_path(path), _stamp(path, weights))
    return path


def _checked_own(path: Path, progress: Progress) -> Path:
    """A file of the user's own choice: no hash is known for it, and that is said."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as exc:
        raise LocalModelError(f"RLM_LOCAL_MODEL names {path}, which cannot be read ({exc.strerror})") from exc
    if magic != b"GGUF":
        raise LocalModelError(f"RLM_LOCAL_MODEL names {path}, which is not a GGUF file; name one that is")
    progress(f"using {path.name}, a file of your own: its hash is not checked", None)
    return path


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock. Waits for another process in short spells, so that an interrupt is heard."""
    import filelock

    lock = filelock.FileLock(path)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_LOCK_SPELL)
        except filelock.Timeout:
            progress("waiting for another process that prepares the weights", None)
        except (OSError, NotImplementedError) as exc:
            raise LocalModelError(f"cannot lock {path} ({exc}); name another directory with RLM_LOCAL_DIR") from exc
    try:
        yield
    finally:
        lock.release()


def _verified(path: Path, weights: Weights, progress: Progress) -> bool:
    """Whether the file at `path` is the one meant, hashing it again if it may have changed."""
    if not _right_size(path, weights):
        return False
    # Taken before the file is read: if it changes meanwhile, the next look finds another stamp.
    stamp = _stamp(path, weights)
    if _stamped(path, weights):
        return True
    digest = hashlib.sha256()
    for block, fraction in assembly.blocks(path, weights.size):
        digest.update(block)
        progress("checking the weights", fraction)
    if digest.hexdigest() != weights.sha256:
        return False
    places.replace_file(_stamp_path(path), stamp)
    return True


def _right_size(path: Path, weights: Weights) -> bool:
    return path.is_file() and path.stat().st_size == weights.size


def _stamp_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _stamp(path: Path, weights: Weights) -> str:
    stat = path.stat()
    seen = {"size": stat.st_size, "inode": stat.st_ino, "mtime": stat.st_mtime_ns, "ctime": stat.st_ctime_ns}
    return json.dumps({"sha256": weights.sha256, **seen})


def _stamped(path: Path, weights: Weights) -> bool:
    """Whether the hash was proven for just this state of the file."""
    try:
        return _stamp_path(path).read_text(encoding="utf-8") == _stamp(path, weights)
    except (OSError, UnicodeDecodeError):
        return False
