"""Known secret values, blanked wherever text leaves a run: outputs, prompts of sub-calls, the answer's text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rlm_kernel.trajectory.records import Failure, Output, Rich

_SHORTEST = 8  # a shorter value would blank ordinary words
_TELLING = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_BLANK = "[secret]"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values that must not be shown, sent or stored."""

    values: tuple[str, ...] = ()

    @classmethod
    def known(cls, environ: Mapping[str, str], more: Iterable[str | None] = ()) -> Secrets:
        """The values of environment variables whose names tell, and `more`; longest first."""
        named = (value for name, value in environ.items() if _TELLING.search(name))
        values = {value for value in (*named, *more) if value and len(value) >= _SHORTEST}
        return cls(tuple(sorted(values, key=len, reverse=True)))

    def blank(self, text: str) -> str:
        """`text` with every known secret replaced."""
        for value in self.values:
            if value in text:
                text = text.replace(value, _BLANK)
        return text

    def blank_output(self, output: Output) -> Output:
        """`output` with every known secret replaced in all its texts."""
        if not self.values:
            return output
        failure = output.failure and self._failure(output.failure)
        return replace(
            output,
            stdout=self.blank(output.stdout),
            stderr=self.blank(output.stderr),
            echo=self.blank(output.echo),
            rich=tuple(self._rich(rich) for rich in output.rich),
            failure=failure,
            changes=tuple(replace(change, summary=self.blank(change.summary)) for change in output.changes),
        )

    def _failure(self, failure: Failure) -> Failure:
        return replace(failure, message=self.blank(failure.message), traceback=self.blank(failure.traceback))

    def _rich(self, rich: Rich) -> Rich:
        return replace(rich, data={k: self.blank(v) if isinstance(v, str) else v for k, v in rich.data.items()})
