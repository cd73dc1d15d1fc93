"""Every error that the package raises.

    RLMError
    ├── ConfigError          an option, a name or a setting is wrong (also a ValueError)
    ├── ModelError           a call to a model failed
    │   ├── ModelUnavailable     refused, unreachable, wrong key, unknown model
    │   ├── ModelTimeout         no answer in time
    │   ├── ContextOverflow      the server says that the prompt does not fit its window
    │   └── ReplayDiverged       a replayed run asks what the recorded one did not ask
    ├── LocalModelError      the bundled model is missing, broken or does not start
    ├── StoreError           a stored or saved run is not there, cannot be read or cannot be written
    ├── SubcallError         one sub-call gave no answer; raised by ``llm_query``, a value in a batch
    ├── LimitReached         a budget is used up
    ├── RunEnded             a name of a run was used when no such run was going on
    └── RunNotDone           a run ended without its answer; carries the run
    FinalSignal (BaseException)  not an error: ends the step in which FINAL was called

Messages say what happened, name the value, and say what to do next, in one line. In IPython an error of
this tree shows as that one line, without a traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

LimitKind = Literal["steps", "calls", "tokens", "cost", "seconds"]


class RLMError(Exception):
    """Anything that goes wrong in this package."""

    def _render_traceback_(self) -> Sequence[str]:
        """IPython's own protocol: the lines that stand for the traceback.

        A server's words may be among them: what could steer a terminal, or begin a line of its own, is written out.
        """
        words = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(self))
        return [f"{type(self).__name__}: {words}"]


class ConfigError(RLMError, ValueError):
    """An option, a name or a setting is wrong."""


class ModelError(RLMError):
    """A call to a model failed."""


class ModelUnavailable(ModelError):
    """The endpoint refused the call or could not be reached."""


class ModelTimeout(ModelError):
    """The model did not answer in time."""


class ContextOverflow(ModelError):
    """The server says that the prompt does not fit the model's window."""


class ReplayDiverged(ModelError):
    """A replayed run asks for something that was not recorded."""


class StoreError(RLMError):
    """A stored or saved run is not there, cannot be read or cannot be written."""


class LocalModelError(RLMError):
    """The bundled model is missing, broken or does not start."""


class SubcallError(RLMError):
    """A sub-call or child run gave no answer. False in a boolean context, so ``if result:`` tells answers apart."""

    final = False
    """True if asking again is of no use: a limit is reached, or the run has ended."""

    @classmethod
    def at_the_end(cls, message: str) -> SubcallError:
        """One for a limit that is reached: further calls would meet it too."""
        error = cls(message)
        error.final = True
        return error

    def __bool__(self) -> bool:
        return False


class LimitReached(RLMError):
    """A budget is used up."""

    def __init__(self, kind: LimitKind, used: float, limit: float) -> None:
        """Name the limit that tripped.

        Args:
            kind: which limit.
            used: what would have been used with the refused action (calls, tokens, steps, dollars or seconds).
            limit: the limit in the same unit.
        """
        self.kind: LimitKind = kind
        self.used = used
        self.limit = limit
        unit = kind.removesuffix("s") if limit == 1 else kind
        amount = f"${limit:g}" if kind == "cost" else f"{limit:g} {unit}"
        super().__init__(f"the limit of {amount} is reached; raise it with --max-{kind} or Limits({kind}=...)")

    def __reduce__(self) -> tuple[type[LimitReached], tuple[LimitKind, float, float]]:
        return type(self), (self.kind, self.used, self.limit)


class RunEnded(RLMError):
    """A name of a run was used when no such run was going on."""


class RunNotDone(RLMError):
    """A run ended without its answer. ``run`` keeps its steps, ``value`` an answer that had not the form asked for."""

    def __init__(self, message: str, run: object = None, *, value: object = None) -> None:
        self.run = run
        self.value = value
        super().__init__(message)

    def __reduce__(self) -> tuple[type[RunNotDone], tuple[str]]:
        return type(self), (str(self),)  # a run is bound to its process and does not travel


class FinalSignal(BaseException):
    """Ends the step in which ``FINAL`` was called.

    Derives from BaseException because it is no error, and so that ``except Exception`` in the model's code lets it
    pass. The value itself was recorded before this was raised: even a bare ``except`` cannot lose it.
    """

    def _render_traceback_(self) -> Sequence[str]:
        return []
