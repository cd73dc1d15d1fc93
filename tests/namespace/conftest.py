"""Real shells, real namespaces: what the tests of the namespace share."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.plain import PlainRunner
from rlm_kernel.namespace.shell import ShellRunner
from rlm_kernel.trajectory.records import Outcome


@dataclass
class Bench:
    """A run on a namespace, with the step number counted."""

    executor: NamespaceExecutor
    namespace: dict[str, Any]
    kind: str
    steps: int = field(default=0)

    def run(self, code: str, seconds: float | None = 20) -> Outcome:
        self.steps += 1
        return self.executor.execute(code, step=self.steps, seconds=seconds)

    def changes(self, code: str) -> set[tuple[str, str, bool]]:
        """Run a step and give name, how, kept apart of each change."""
        return {(one.name, one.how, one.kept_apart) for one in self.run(code).output.changes}


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell of its own; the process has none before and after."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    yield shell
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)
    InteractiveShell.clear_instance()
    gc.collect()


@pytest.fixture(params=["plain", "shell"])
def make_bench(request: pytest.FixtureRequest) -> Iterator[Callable[..., Bench]]:
    """Makes runs: plainly on a dict, or in a shell's own namespace."""
    kind: str = request.param
    made: list[Bench] = []
    shell = request.getfixturevalue("shell") if kind == "shell" else None

    def make(names: dict[str, Any] | None = None, **options: Any) -> Bench:
        runner = ShellRunner(shell) if shell is not None else PlainRunner()
        namespace = shell.user_ns if shell is not None else {}
        namespace.update(names or {})
        bench = Bench(NamespaceExecutor(runner, namespace, **options), namespace, kind)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.executor.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A run on an empty namespace."""
    return make_bench()
