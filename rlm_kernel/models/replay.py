"""A model that answers from the record of a run: the real loop goes through it again, with no network and at no cost.

The root's calls must come in their recorded order with their recorded messages. All other calls, sub-calls and those
of child runs, are found by what they ask; equal ones are answered in the order in which they were recorded. What was
not recorded is a `ReplayDiverged` that names the first difference, or goes to another model if one is given.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rlm_kernel.engine_ports import Model, Refused
from rlm_kernel.errors import ContextOverflow, ModelError, ModelTimeout, ReplayDiverged
from rlm_kernel.models import tokens
from rlm_kernel.models.faults import is_overflow
from rlm_kernel.models.windows import DEFAULT
from rlm_kernel.trajectory.events import AnyEvent, CallFinished, CallStarted, RunStarted
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage
