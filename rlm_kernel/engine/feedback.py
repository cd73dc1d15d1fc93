"""What the root is told of an execution, in the words of its pack."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from rlm_kernel.prompts.pack import Pack
from rlm_kernel.trajectory.records import Binding, Failure, Output

_TAIL = 0.25  # of what is shown of a long output: its end, where results and errors stand
_STDERR_CHARS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Feedback:
    """Renders outcomes for one run."""

    pack: Pack
    question: str
    contexts: tuple[Binding, ...]

    def output(self, output: Output, *, step: int = 0, most: int | None = None) -> str:
        """What a step that ran through is told; from half of its steps on, how many are left.

        Args:
            output: of the step.
            step: its number.
            most: steps that the run may have.
        """
        shown = self.shown(output)
        told = self.say("output", output=shown) if shown else self.say("no_output")
        if most is None or step * 2 < most:
            return told
        return f"{told}\n{self.say('banner', step=step, steps=most, left=most - step)}".rstrip("\n")

    def error(self, output: Output, failure: Failure) -> str:
        """What a step that raised is told: the error, and the way out where we know one."""
        text = self.say(
            "error",
            output=self.shown(output),
            error=str(failure)[:600],
            traceback=failure.traceback or str(failure),
            hint=self._hint(failure),
        )
        return text.replace("Output:\n\n", "", 1)

    def objection(self, section: str, output: Output, value: object) -> str:
        """What a guard says of a result."""
        answer = text_of(value, 200)
        return self.say(section, output=self.shown(output) or answer, answer=answer)

    def shown(self, output: Output) -> str:
        """Everything a step put out, cut to what the pack allows."""
        parts = [cut(output.text, self.pack.settings.output_chars, self.pack)]
        if output.stderr.strip():
            parts.append(self.say("stderr", text=output.stderr.strip()[-_STDERR_CHARS:]))
        if output.rich and any(key.startswith("image/") for rich in output.rich for key in rich.data):
            parts.append(self.say("shown", count=len(output.rich)))
        parts += [self.say("notice", text=notice) for notice in output.notices]
        return "\n".join(part for part in parts if part)

    def short(self, output: Output) -> str:
        """What stands for a feedback once the window has no room for it."""
        return self.say("shortened", chars=f"{len(output.text):,}")

    def say(self, section: str, **values: object) -> str:
        """A section of the pack; the question and the names of the context are always there to be filled in."""
        names = ", ".join(f"`{context.name}`" for context in self.contexts) or "the notebook's variables"
        first = self.contexts[0].name if self.contexts else "data"
        words = " ".join(re.findall(r"[\w'-]+", self.question))
        return self.pack.say(section, question=self.question, names=names, first=first, words=words, **values)

    def _hint(self, failure: Failure) -> str:  # noqa: PLR0911 - one return for each kind of error
        match failure.kind:
            case "FileNotFoundError":
                return self._spaced("hint_file")
            case "ModuleNotFoundError":
                return self._spaced("hint_package")
            case "KeyError":
                return self._key_hint(failure.message)
            case "IndexError" | "StopIteration":
                return self._spaced("hint_index")
            case "NameError":
                return self._spaced("hint_name")
            case "TypeError" if "reduction" in failure.message or "could not convert string" in failure.message.lower():
                return self._spaced("hint_text")
            case "AttributeError" if ".dt accessor" in failure.message:
                return self._spaced("hint_dates")
            case "AttributeError" if "GroupBy" in failure.message:
                return self._spaced("hint_group")
            case _:
                return ""

    def _key_hint(self, message: str) -> str:
        key = message.strip("'\" ")
        if not message.startswith(("'", '"')):  # no column: most have names
            return self._spaced("hint_label", label=key)
        fields = [field for context in self.contexts for field in context.fields]
        near = [field for field in fields if field.lower() == key.lower()]
        near = near or difflib.get_close_matches(key, fields, n=1)
        if near:
            return self._spaced("hint_key", near=repr(near[0]))
        return self._spaced("hint_columns", fields=", ".join(map(repr, fields[:60]))) if fields else ""

    def _spaced(self, section: str, **values: object) -> str:
        text = self.say(section, **values)
        return f" {text}" if text else ""


def cut(text: str, most: int, pack: Pack) -> str:
    """`text` if it has at most `most` characters, else its head and tail with the cut stated between them."""
    if len(text) <= most:
        return text
    tail = int(most * _TAIL)
    left = len(text) - most
    between = pack.say("cut", left=f"{left:,}", total=f"{len(text):,}")
    return f"{text[: most - tail]}\n{between}\n{text[-tail:]}"


def text_of(value: object, most: int) -> str:
    """A value as bounded text: a str itself, anything else by its repr; never raises."""
    try:
        text = value if isinstance(value, str) else _shown(value)
    except Exception as exc:  # a broken repr must not cost the run its answer
        text = f"<{type(value).__name__}, whose repr raises {type(exc).__name__}>"
    return text if len(text) <= most else f"{text[:most]}..."


def _shown(value: object) -> str:
    # A numpy number's repr names its type, which no reader of an answer wants.
    scalar = type(value).__module__ == "numpy" and not getattr(value, "shape", True)
    return str(value) if scalar else repr(value)
