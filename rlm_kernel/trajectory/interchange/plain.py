"""JSON that every program reads."""

from __future__ import annotations

import math

from rlm_kernel.trajectory.codec import Json


def encodable(value: Json) -> Json:
    """The value without what some programs cannot read: no halves of surrogate pairs, no nan."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {encodable(key): encodable(item) for key, item in value.items()}
        case list():
            return [encodable(item) for item in value]
    return value
