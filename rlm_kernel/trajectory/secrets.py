"""Known secret values, blanked wherever text leaves a run: outputs, prompts of sub-calls, the answer's text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

from rlm_kernel.trajectory.records import Binding, Failure, Output, Rich

_SHORTEST = 8  # a shorter value would blank ordinary words
_TELLING = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_IN_ADDRESS = re.compile(
    r"""(?xi) ://[^\s/@:]*:([^\s/@]+)@ | (?<=[?&])[\w-]*(?:key|token|secret|signature|password)[\w-]*=([^\s&\#]+)"""
)
_BLANK = "[secret]"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values that must not be shown, sent or stored."""

    values: tuple[str, ...] = ()

    @classmethod
    def known(cls, environ: Mapping[str, str], more: Iterable[str | None] = ()) -> Secrets:
        """The values of environment variables whose names tell, and `more`; and what stands in addresses of either.

        Longest first, so that one secret that holds another is replaced whole.
        """
        named = [value for name, value in environ.items() if _TELLING.search(name)]
        given = [value for value in more if value]
        addresses = [match for text in (*environ.values(), *given) for match in _IN_ADDRESS.findall(text)]
        inside = [text for password, value in addresses for text in (password or value, unquote(password or value))]
        # An address that was given is no secret as a whole: blanking it would hide the rest of it too.
        given = [value for value in given if "://" not in value]
        values = {value for value in (*named, *given, *inside) if len(value) >= _SHORTEST}
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

    def blank_binding(self, binding: Binding) -> Binding:
        """A description with every known secret replaced."""
        if not self.values:
            return binding
        return replace(
            binding,
            text=self.blank(binding.text),
            summary=self.blank(binding.summary),
            fields=tuple(map(self.blank, binding.fields)),
        )

    def _failure(self, failure: Failure) -> Failure:
        return replace(failure, message=self.blank(failure.message), traceback=self.blank(failure.traceback))

    def _rich(self, rich: Rich) -> Rich:
        return replace(rich, data={mime: self._nested(entry) for mime, entry in rich.data.items()})

    def _nested(self, entry: object) -> object:
        match entry:
            case str():
                return self.blank(entry)
            case dict():
                return {self._nested(key): self._nested(value) for key, value in entry.items()}
            case list() | tuple():
                return [self._nested(value) for value in entry]
            case _:
                return entry
