"""Frozen values that pass between the loop, the namespace, the models and the views.

They hold text, never the user's objects, save for `Outcome`, which lives only between an execution and the loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rlm_kernel.usage import Usage

Role = Literal["system", "user", "assistant"]
Purpose = Literal["root", "sub-call", "extract"]
"""Why a model was called: the root's next step, a sub-call, or the last answer taken from the evidence."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Role
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One call to a model, as the engine asks for it."""

    messages: tuple[Message, ...]
    temperature: float | None = None
    """None leaves it to the server."""
    seed: int | None = None
    max_tokens: int | None = None
    """The longest reply wanted, in tokens; None leaves it to the server."""
    timeout: float | None = None
    """Seconds that the call may take, retries included."""
    schema: Mapping[str, object] | None = None
    """A JSON schema that the reply must fit, for servers that can hold a model to one."""
    strict: bool = False
    """True if the schema is one that OpenAI's strict mode takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a model answered."""

    text: str
    model: str
    usage: Usage
    finish: str = "stop"
    """The server's finish reason: ``stop``, ``length``, ``tool_calls``, ``content_filter`` or its own word."""
    reasoning: str = ""
    """Text that the server gave apart as the model's thinking. Never read as code or as an answer."""
    tool_calls: tuple[str, ...] = ()
    """The arguments of each native tool call, as the model wrote them (usually JSON)."""
    retries: int = 0
    estimated: bool = False
    """True if the server reported no usage and the tokens are our own estimate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rich:
    """One rich output of a step: a mime bundle as the notebook would show it."""

    data: Mapping[str, object]
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An exception in the model's code. Data for the next step, no error of ours."""

    kind: str
    """The exception's class name, such as ``KeyError``."""
    message: str
    traceback: str = ""
    """Plain text, frames of the model's code only, bounded."""
    line: int | None = None
    """The line of the step's code where it happened, from 1."""
    interrupted: bool = False
    """True if it came from outside: Ctrl-C, a limit on seconds."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else self.kind


ChangeHow = Literal["bound", "rebound", "deleted", "mutated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a step did to one name."""

    name: str
    how: ChangeHow
    summary: str = ""
    """The new value in a few words: ``DataFrame 5,860 x 7``."""
    kept_apart: bool = False
    """True if the name is the user's own: the new value is in the run's layer, the user keeps theirs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """Everything that one execution put out, as text and mime bundles."""

    stdout: str = ""
    stderr: str = ""
    echo: str = ""
    """Text of the values of bare expressions, as the notebook would show them."""
    rich: tuple[Rich, ...] = ()
    dropped: int = 0
    """Characters that were not kept because the capture is bounded; the texts say where."""
    failure: Failure | None = None
    changes: tuple[Change, ...] = ()
    notices: tuple[str, ...] = ()
    """What the namespace has to say to the model, one sentence each: a name restored, a thread's write kept."""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """What the step printed and echoed, in that order."""
        return "\n".join(part.rstrip("\n") for part in (self.stdout, self.echo) if part.strip())


@dataclass(frozen=True, slots=True)
class Final:
    """The value given to ``FINAL``."""

    value: object


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What an execution hands to the loop. `value` and `final` are live objects: they go into no event."""

    output: Output
    value: object = None
    """The value of the last bare expression or last plain assignment; None if there is none."""
    has_value: bool = False
    final: Final | None = None
    ran: str | None = None
    """The code that ran in place of the model's, if the user changed it."""
    refused: str | None = None
    """Set if the user let nothing run: the reason given, empty for none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """One context variable, described. What the model is told of it; never the data."""

    name: str
    type: str
    """``pandas DataFrame``, ``str`` and so on."""
    text: str
    """The description for the prompt, whole, one line or several."""
    kind: str = "object"
    """Which worked examples fit: ``table``, ``text``, ``texts``, ``sequence``, ``object``."""
    summary: str = ""
    """A few words for views: ``336,776 rows x 19 columns``."""
    size: int | None = None
    """Rows, characters or items; None where it has none."""
    partial: bool = True
    """False if `text` shows the whole value."""
    fields: tuple[str, ...] = ()
    """Column names or keys, for spelling hints."""
    sampled: bool = False
    """True if the description rests on a sample."""
