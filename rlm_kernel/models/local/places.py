"""Where the local model keeps its files, and how a file is replaced without a moment in which it is half there."""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import sys
from pathlib import Path

from rlm_kernel.errors import LocalModelError


def home() -> Path:
    """The directory of the weights: ``RLM_LOCAL_DIR``, else this user's cache."""
    if chosen := os.environ.get("RLM_LOCAL_DIR"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("rlm-kernel", appauthor=False))


def running_dir(model: Path, protocol: int) -> Path:
    """The directory of the one server of `model` on this machine; not made yet.

    It bears the machine's name because a home directory may be shared by machines, and lies under the cache because
    every kernel of a user finds the same place there, however it was started.
    """
    identity = hashlib.sha256(f"{protocol}\n{model}".encode()).hexdigest()[:12]
    machine = "".join(c if c.isalnum() or c in "-." else "_" for c in platform.node()) or "machine"
    return home() / "run" / machine / identity


def make_dir(path: Path) -> Path:
    """Make `path` and what lies above it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise LocalModelError(
            f"cannot make the directory {path} ({exc.strerror}); name another with RLM_LOCAL_DIR"
        ) from exc
    return path


def make_private_dir(path: Path) -> Path:
    """Make `path` for this user alone: what lies in it holds the server's key."""
    make_dir(path)
    if sys.platform != "win32":
        if path.stat().st_uid != os.getuid():
            raise LocalModelError(f"{path} belongs to another user; name a directory of yours with RLM_LOCAL_DIR")
        if stat.S_IMODE(path.stat().st_mode) != stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)
    return path


def replace_file(path: Path, text: str) -> None:
    """Write `text` to `path` at once, readable by this user alone."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
