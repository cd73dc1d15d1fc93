"""Which of the user's objects a step changed in place."""

from __future__ import annotations

from collections.abc import Mapping

from rlm_kernel.namespace.fingerprint import Fingerprint, fingerprint


class Mutations:
    """Fingerprints of the user's objects before a step, compared after it."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[object, Fingerprint]] = {}

    def begin(self, values: Mapping[str, object]) -> None:
        """Look at the values that the step's code can reach by name."""
        for name, value in values.items():
            found = fingerprint(value)
            if found is not None:
                self._before[name] = (value, found)

    def end(self) -> dict[str, object]:
        """The values that changed, by name; everything is let go of."""
        changed = {}
        for name, (value, before) in self._before.items():
            after = fingerprint(value)
            if after is not None and not before.same(after):
                changed[name] = value
        self._before.clear()
        return changed
