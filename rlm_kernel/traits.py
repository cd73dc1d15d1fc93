"""Defaults from IPython's own configuration files: ``c.RLM.model = "gpt-5"`` in ipython_config.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traitlets import Bool, Float, Int, Unicode
from traitlets.config import Configurable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class RLM(Configurable):
    """What a configuration file may set."""

    model = Unicode(None, allow_none=True, help="The root model; 'local' is the bundled one.").tag(config=True)
    sub_model = Unicode(None, allow_none=True, help="The model of sub-calls; the root model if unset.").tag(config=True)
    base_url = Unicode(None, allow_none=True, help="An OpenAI-compatible endpoint.").tag(config=True)
    pack = Unicode(None, allow_none=True, help="The prompt pack; chosen by the model's name if unset.").tag(config=True)
    temperature = Float(None, allow_none=True, help="Of every call.").tag(config=True)
    seed = Int(None, allow_none=True, help="Of every call.").tag(config=True)
    steps = Int(None, allow_none=True, help="Most steps of a run.").tag(config=True)
    calls = Int(None, allow_none=True, help="Most calls of a run.").tag(config=True)
    tokens = Int(None, allow_none=True, help="Most tokens of a run.").tag(config=True)
    seconds = Float(None, allow_none=True, help="Most seconds of a run.").tag(config=True)
    cost = Float(None, allow_none=True, help="Most dollars of a run.").tag(config=True)
    depth = Int(None, allow_none=True, help="How deep models are called below the root.").tag(config=True)
    concurrency = Int(None, allow_none=True, help="Calls in flight at once.").tag(config=True)
    memo = Bool(None, allow_none=True, help="Answer repeated sub-calls from disk.").tag(config=True)
    call_seconds = Float(None, allow_none=True, help="Most seconds of one call.").tag(config=True)


def configured(shell: InteractiveShell) -> dict[str, object]:
    """The defaults that a shell was configured with; None where it was not."""
    settings = RLM(parent=shell)
    return {name: getattr(settings, name) for name in settings.trait_names(config=True)}
