"""Whatever the model's steps and the user do in turn: each sees their own bindings."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.plain import PlainRunner

NAMES = ("a", "b", "c", "d")
names = st.sampled_from(NAMES)
values = st.integers(1000, 10**6)
ABSENT = "absent"


class TwoSides(RuleBasedStateMachine):
    """A model of what each side should see beside the real thing.

    `users` is what the user would find if they were alone, plus what the run made; `runs` is what the run would find.
    """

    @initialize(own=st.dictionaries(names, values))
    def begin(self, own):
        self.namespace = {name: [value] for name, value in own.items()}
        self.users = dict(self.namespace)
        self.apart = {}
        self.made = set()
        self.executor = NamespaceExecutor(PlainRunner(), self.namespace)
        self.step = 0

    def execute(self, code):
        self.step += 1
        return self.executor.execute(code, step=self.step, seconds=None).output

    def seen_by_run(self, name):
        return self.apart[name] if name in self.apart else self.users.get(name, ABSENT)

    def is_layered(self, name):
        return name in self.apart or (name in self.users and name not in self.made)

    @rule(name=names, value=values, how=st.sampled_from(["{} = [{}]", "globals()['{}'] = [{}]", "def f():\n    global {0}\n    {0} = [{1}]\nf()", "import json as {0}; {0} = [{1}]"]))  # fmt: skip
    def model_binds(self, name, value, how):
        output = self.execute(how.format(name, value))
        assert output.failure is None
        changes = {one.name: one.kept_apart for one in output.changes}
        assert changes[name] == self.is_layered(name)
        if self.is_layered(name):
            self.apart[name] = [value]
        else:
            self.made.add(name)
            self.users[name] = [value]

    @rule(name=names)
    def model_deletes(self, name):
        there = self.seen_by_run(name) is not ABSENT
        output = self.execute(f"del {name}")
        assert (output.failure is None) == there
        if not there:
            return
        if self.is_layered(name):
            self.apart[name] = ABSENT
        else:
            self.made.discard(name)
            del self.users[name]

    @rule(name=names, value=values)
    def model_fails_after_binding(self, name, value):
        output = self.execute(f"{name} = [{value}]\n1 / 0")
        assert output.failure.kind == "ZeroDivisionError"
        if self.is_layered(name):
            self.apart[name] = [value]
        else:
            self.made.add(name)
            self.users[name] = [value]

    @rule(name=names, value=values)
    def user_binds(self, name, value):
        self.namespace[name] = [value]
        self.users[name] = [value]
        self.made.discard(name)

    @rule(name=names)
    def user_deletes(self, name):
        self.namespace.pop(name, None)
        self.users.pop(name, None)
        self.made.discard(name)

    @rule(name=names, value=values)
    def users_function_binds_during_a_step(self, name, value):
        def poke():
            self.namespace[name] = [value]

        self.namespace["poke"] = poke
        self.execute("poke()")
        self.users[name] = [value]
        self.made.discard(name)

    @rule()
    def model_empties_the_namespace(self):
        assert self.execute("globals().clear()").notices

    @invariant()
    def the_user_sees_their_own(self):
        if hasattr(self, "namespace"):
            assert {name: self.namespace[name] for name in NAMES if name in self.namespace} == self.users

    @invariant()
    def the_run_sees_its_own(self):
        if hasattr(self, "namespace"):
            variables = self.executor.vars
            expected = {name: value for name, value in self.apart.items() if value is not ABSENT}
            expected |= {name: self.users[name] for name in self.made if name not in self.apart}
            assert {name: variables[name] for name in NAMES if name in variables} == expected

    @rule()
    def the_code_sees_what_the_run_has(self):
        output = self.execute("def look(): return {n: globals().get(n, 'absent') for n in 'abcd'}\nseen = look();")
        assert output.failure is None
        assert self.namespace["seen"] == {name: self.seen_by_run(name) for name in NAMES}

    def teardown(self):
        if hasattr(self, "executor"):
            self.executor.rewind(0)
            self.executor.close()
            left = {name: self.namespace[name] for name in NAMES if name in self.namespace}
            assert left == {name: value for name, value in self.users.items() if name not in self.made}


TestTwoSides = TwoSides.TestCase
TestTwoSides.settings = settings(
    max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("count", [1000])
def test_a_thousand_names_cost_little(count):
    """Two copies of a dict and one pass; the bound is generous."""
    import time

    executor = NamespaceExecutor(PlainRunner(), {f"n{i}": [i] for i in range(count)})
    executor.execute("x = 1", step=1, seconds=None)
    started = time.perf_counter()
    for number in range(100):
        executor.execute("x = 1", step=number, seconds=None)
    assert (time.perf_counter() - started) / 100 < 0.02
