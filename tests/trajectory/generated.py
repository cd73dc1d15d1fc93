"""Any event at all, derived from the types of its fields."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Literal, Union, get_args, get_origin

from hypothesis import strategies as st

from rlm_kernel.trajectory import codec

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["", "$text", "\ud83d\ude00", "\U0001f600", "\udfff", "a\x00b\u2028\n\r", "x" * 5000, "é" * 5000]
)
"""Halves of surrogate pairs too, which make one character only if they are not taken apart."""
KEYS = ANY_TEXT | st.sampled_from(["$raw", "$pairs", "$tuple", "$bytes", "text/html", "image/png"])
NUMBERS = st.floats() | st.integers() | st.sampled_from([2**53 + 1, 10**400])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT | st.binary(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS | st.integers(), inner),
    max_leaves=8,
)
"""What may stand in a mime bundle: JSON, bytes, and what some library put there."""


def any_of(kind):
    """Any value of a type."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{f.name: any_of(hints[f.name]) for f in dataclasses.fields(kind) if f.init})
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(any_of(inner[0]), max_size=3).map(tuple)
    if origin in {Union, types.UnionType}:
        return st.one_of(*map(any_of, inner))
    if origin in {dict, Mapping, get_origin(Mapping[str, object])}:
        return st.dictionaries(KEYS, any_of(inner[1]), max_size=3)
    plain = {str: ANY_TEXT, int: st.integers(), bool: st.booleans(), float: st.floats(), types.NoneType: st.none()}
    return plain.get(kind, VALUES)


EVENTS = st.one_of(*(any_of(kind) for kind in codec.tags().values()))
