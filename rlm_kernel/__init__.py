"""Recursive Language Models in the notebook where the data already is.

    import rlm_kernel as rlm
    run = rlm.run("Which month had the most delays?", {"flights": flights})
    run.answer

In IPython and Jupyter: ``%load_ext rlm_kernel``, then ``%%rlm flights`` with the question below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlm_kernel._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.budget import Limits
    from rlm_kernel.errors import (
        ConfigError,
        LimitReached,
        LocalModelError,
        ModelError,
        RLMError,
        RunEnded,
        RunNotDone,
        StoreError,
        SubcallError,
    )
    from rlm_kernel.interface import (
        llm_map,
        llm_query,
        llm_query_async,
        llm_query_batched,
        load,
        rlm_query,
        rlm_query_batched,
        run,
        runs,
    )
    from rlm_kernel.running import Run
    from rlm_kernel.usage import Usage

_HOMES = {
    **dict.fromkeys(
        (
            "llm_map",
            "llm_query",
            "llm_query_async",
            "llm_query_batched",
            "load",
            "rlm_query",
            "rlm_query_batched",
            "run",
            "runs",
        ),
        "rlm_kernel.interface",
    ),
    "Run": "rlm_kernel.running",
    "Limits": "rlm_kernel.budget",
    "Usage": "rlm_kernel.usage",
    **dict.fromkeys(
        (
            "ConfigError",
            "LimitReached",
            "LocalModelError",
            "ModelError",
            "RLMError",
            "RunEnded",
            "RunNotDone",
            "StoreError",
            "SubcallError",
        ),
        "rlm_kernel.errors",
    ),
}

__all__ = [
    "ConfigError",
    "LimitReached",
    "Limits",
    "LocalModelError",
    "ModelError",
    "RLMError",
    "Run",
    "RunEnded",
    "RunNotDone",
    "StoreError",
    "SubcallError",
    "Usage",
    "__version__",
    "llm_map",
    "llm_query",
    "llm_query_async",
    "llm_query_batched",
    "load",
    "load_ipython_extension",
    "rlm_query",
    "rlm_query_batched",
    "run",
    "runs",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used: loading the extension stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """``%load_ext rlm_kernel``: register ``%%rlm`` and ``%rlm``."""
    from rlm_kernel.magics import load

    load(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """``%unload_ext rlm_kernel``: take them away again."""
    from rlm_kernel.magics import unload

    unload(ipython)
