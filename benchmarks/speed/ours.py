"""This package as an engine to be measured."""

from __future__ import annotations

import os
import time
from typing import Any

from speed.engine import Asked
from speed.server import ROOT, SUB

OFF = {"steps": 300, "depth": 2, "calls": None, "cost": None, "seconds": None}


class Ours:
    """`rlm_kernel.run` in a plain script."""

    name = "ours"
    child = "'say ok', 'child %d' % i"

    def __init__(self, url: str) -> None:
        os.environ |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "benchmark-key"}
        for name in [name for name in os.environ if name.startswith("RLM_")]:
            del os.environ[name]
        os.environ["RLM_MEMO"] = "0"  # every call is to be sent
        self.url = url

    def end(self, expression: str) -> str:
        """Code that ends a run."""
        return f"FINAL({expression})"

    def ask(self, context: object = "some context", *, call_seconds: float | None = None) -> Asked:
        """One run, timed."""
        import rlm_kernel
        from rlm_kernel.errors import RLMError

        limits = rlm_kernel.Limits(**OFF, call_seconds=call_seconds)
        began = time.perf_counter()
        try:
            run = rlm_kernel.run("what is it?", {"context": context}, model=ROOT, sub_model=SUB, limits=limits)
        except (RLMError, KeyboardInterrupt) as exc:
            return Asked(seconds=time.perf_counter() - began, error=f"{type(exc).__name__}: {exc}")
        seconds = time.perf_counter() - began
        usage = run.usage
        return Asked(
            seconds=seconds,
            printed=run.steps[0].output if run.steps else "",
            error="" if run.status == "done" else f"{run.status}: {run.error}",
            calls=usage.calls,
            tokens=usage.tokens,
        )

    def bind(self, value: object) -> float:
        """A whole run over it."""
        asked = self.ask(value)
        if asked.error:
            raise RuntimeError(asked.error)
        return asked.seconds


class OursInShell(Ours):
    """``%%rlm`` in IPython, with everything that it shows."""

    name = "ours in IPython"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        from IPython.core.interactiveshell import InteractiveShell

        self._shell: Any = InteractiveShell.instance()
        self._shell.run_line_magic("load_ext", "rlm_kernel")

    def ask(self, context: object = "some context", *, call_seconds: float | None = None) -> Asked:
        """One cell, timed."""
        self._shell.user_ns["context_"] = context
        options = f"-m {ROOT} -s {SUB} --max-steps 300 --depth 2 --max-calls none --max-cost none --max-seconds none"
        cell = f"%%rlm context_ {options} --call-timeout {call_seconds or 'none'}\nwhat is it?"
        began = time.perf_counter()
        result = self._shell.run_cell(cell)
        seconds = time.perf_counter() - began
        run = self._shell._rlm_session.last
        error = result.error_in_exec
        return Asked(
            seconds=seconds,
            printed=run.steps[0].output if run.steps else "",
            error=f"{type(error).__name__}: {error}" if error else "",
            calls=run.usage.calls,
            tokens=run.usage.tokens,
        )
