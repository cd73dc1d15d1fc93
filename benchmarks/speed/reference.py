"""The reference implementation (`rlms` on the package index) as an engine to be measured, in its own environment."""

from __future__ import annotations

import time
from typing import Any

from speed.engine import Asked
from speed.server import ROOT, SUB


class Reference:
    """`RLM.completion` with its local environment; sub-calls go to a model of their own."""

    name = "reference"
    child = "'child %d' % i"

    def __init__(self, url: str) -> None:
        self.url = url

    def end(self, expression: str) -> str:
        """Code that ends a run."""
        return f"answer['content'] = str({expression})\nanswer['ready'] = True"

    def ask(self, context: object = "some context", *, call_seconds: float | None = None) -> Asked:
        """One completion, timed."""
        from rlm import RLM  # noqa: I001 - theirs, not the shim of that name
        from rlm.logger import RLMLogger

        base: dict[str, Any] = {"base_url": self.url, "api_key": "benchmark-key"}
        base |= {"timeout": call_seconds} if call_seconds else {}
        log = RLMLogger()  # keeps the trajectory in memory, as the other engine does
        began = time.perf_counter()
        try:
            done = RLM(
                backend="openai",
                backend_kwargs={"model_name": ROOT, **base},
                other_backends=["openai"],
                other_backend_kwargs=[{"model_name": SUB, **base}],
                max_iterations=300,
                max_depth=2,
                logger=log,
            ).completion(context)
        except BaseException as exc:  # KeyboardInterrupt is measured too
            return Asked(seconds=time.perf_counter() - began, error=f"{type(exc).__name__}: {exc}")
        seconds = time.perf_counter() - began
        usage = done.usage_summary
        return Asked(
            seconds=seconds,
            printed=_printed(log),
            calls=sum(model.total_calls for model in usage.model_usage_summaries.values()),
            tokens=usage.total_input_tokens + usage.total_output_tokens,
        )

    def bind(self, value: object) -> float:
        """Its environment set up with it: a whole completion always takes a multiple of half a second."""
        from rlm.environments import get_environment

        began = time.perf_counter()
        environment = get_environment("local", {"context_payload": value})
        seconds = time.perf_counter() - began
        environment.cleanup()
        return seconds


def _printed(log: Any) -> str:
    steps = log.get_trajectory()["iterations"]
    blocks = steps[0]["code_blocks"] if steps else []
    return str(blocks[0]["result"]["stdout"]) if blocks else ""
