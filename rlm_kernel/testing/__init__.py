"""Doubles for tests of anything built on this package.

    model = ScriptedModel(["```python FINAL(6 * 7) ```"])
    run = rlm_kernel.run("How much is six times seven?", model=model)

`ScriptedModel` answers from a list or a function. `serve` puts it, or any model, behind a real OpenAI-compatible HTTP
server on loopback, with faults where a test wants them. `CapturingSink` keeps events. `ManualClock` moves when told to.
`no_network` forbids whatever would leave the machine.
"""

from rlm_kernel.testing.doubles import CapturingSink, ManualClock, Scripted, ScriptedModel
from rlm_kernel.testing.network import NetworkForbidden, no_network
from rlm_kernel.testing.server import Fault, Received, Served, serve

__all__ = [
    "CapturingSink",
    "Fault",
    "ManualClock",
    "NetworkForbidden",
    "Received",
    "Scripted",
    "ScriptedModel",
    "Served",
    "no_network",
    "serve",
]
