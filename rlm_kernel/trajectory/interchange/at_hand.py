"""Code that makes, outside a run, the names that a run had at hand."""

from __future__ import annotations

from collections.abc import Collection

from rlm_kernel.trajectory.tree import Node

_QUERIES = ("llm_map", "llm_query", "llm_query_async", "llm_query_batched", "rlm_query", "rlm_query_batched")
_IMPORTS = {
    "pd": "import pandas as pd",
    "np": "import numpy as np",
    "re": "import re",
    "search": "from rlm_kernel.describe.passages import search",
}
"""What a run may find imported, and how anybody else gets it."""


def at_hand(read: Collection[str], node: Node) -> str:
    """Statements that bind what is read and was neither the user's nor made by the run.

    Args:
        read: the names that the code reads.
        node: the run.
    """
    contexts = [context.name for context in node.started.contexts]
    lines = [line for name, line in _IMPORTS.items() if name in read and name not in contexts]
    if queries := [name for name in _QUERIES if name in read]:
        lines.append(f"from rlm_kernel import {', '.join(queries)}  # each call asks a model anew")
    if "context" in read and "context" not in contexts and contexts:
        value = contexts[0] if len(contexts) == 1 else f"{{{', '.join(f'{name!r}: {name}' for name in contexts)}}}"
        lines.append(f"context = {value}")
    return "\n".join(lines)
