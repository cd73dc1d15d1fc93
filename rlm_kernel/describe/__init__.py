"""What a model is told of a value: one describer per kind of context, open to other packages."""

from rlm_kernel.describe.binding import describe
from rlm_kernel.describe.facts import Describer, Facts
from rlm_kernel.describe.inventory import inventory
from rlm_kernel.describe.look import BRIEF, FULL, Detail, Look
from rlm_kernel.describe.registry import register
from rlm_kernel.describe.summary import summarize

__all__ = ["BRIEF", "FULL", "Describer", "Detail", "Facts", "Look", "describe", "inventory", "register", "summarize"]
