"""Settings, and where they come from.

Weakest first: defaults, traitlets configuration (``c.RLM.model`` in ipython_config.py), environment (``RLM_MODEL``,
``RLM_SUB_MODEL``, ``OPENAI_BASE_URL``, ``OPENAI_API_KEY``, ``RLM_MEMO``), ``%rlm config``, the options of a cell or of
`run`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from urllib.parse import urlsplit

from rlm_kernel.budget import Limits
from rlm_kernel.errors import ConfigError

LOCAL = "local"
"""The name of the bundled model, for ``--model``."""
DEFAULT_REMOTE = "gpt-5-mini"
"""The model asked for where a key is set and no model was named."""
OPENAI_URL = "https://api.openai.com/v1"

_ENVIRONMENT = {
    "RLM_MODEL": "model",
    "RLM_SUB_MODEL": "sub_model",
    "OPENAI_BASE_URL": "base_url",
    "OPENAI_API_KEY": "api_key",
    "RLM_MEMO": "memo",
}
_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_MOST_SECONDS = 1e9
"""Some thirty years: the system's timers take no longer times."""
_NUMBERS: dict[str, type[int | float]] = {"temperature": float, "seed": int}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a run is made with."""

    model: str | None = None
    """The root model; None chooses the bundled one, or `DEFAULT_REMOTE` where a key is set."""
    sub_model: str | None = None
    """The model of sub-calls; None is the root model."""
    base_url: str | None = None
    """An OpenAI-compatible endpoint; None is OpenAI's own."""
    api_key: str | None = field(default=None, repr=False)
    pack: str | None = None
    """The prompt pack; None chooses by the model's name."""
    temperature: float | None = None
    """None leaves it to the pack or the server."""
    seed: int | None = None
    memo: bool = True
    """Answer sub-calls that were made before from the store on disk."""
    limits: Limits = field(default_factory=Limits)

    def updated(self, values: Mapping[str, object], source: str) -> Settings:
        """These settings with `values` over them; None leaves a setting as it is.

        Args:
            values: settings and limits (``steps``, ``calls``, ...) by name.
            source: where they come from, for error messages.

        Raises:
            ConfigError: a name is unknown or a value does not fit.
        """
        given = {name: value for name, value in values.items() if value is not None}
        limits = {name: _limit(name, given.pop(name), source) for name in list(given) if name in LIMIT_NAMES}
        for name, value in given.items():
            if name not in SETTING_NAMES:
                raise ConfigError(f"{source}: there is no setting {name!r}; there are {', '.join(SETTING_NAMES)}")
            given[name] = _value(name, value, source)
        return replace(self, **given, limits=replace(self.limits, **limits))  # type: ignore[arg-type]  # checked above

    def shown(self) -> dict[str, str]:
        """The settings as text, secrets hidden."""
        rows = {name: getattr(self, name) for name in SETTING_NAMES}
        rows |= {name: getattr(self.limits, name) for name in LIMIT_NAMES}
        rows["base_url"] = without_secrets(self.base_url) if self.base_url else None
        rows["api_key"] = "set (hidden)" if self.api_key else None
        return {name: "-" if value is None else str(value) for name, value in rows.items()}


def checked_limits(limits: object) -> Limits:
    """`limits` with its values checked. Raises ConfigError for one that does not fit."""
    if not isinstance(limits, Limits):
        raise ConfigError(f"limits are given as Limits(steps=..., calls=...), not as a {type(limits).__name__}")
    return replace(limits, **changed_limits({name: getattr(limits, name) for name in LIMIT_NAMES}, "Limits"))  # type: ignore[arg-type]  # as they were checked


def changed_limits(values: Mapping[str, object], source: str) -> dict[str, float | None]:
    """Limits by name with their values checked; None is no limit. Raises ConfigError for one that does not fit."""
    for name in values:
        if name not in LIMIT_NAMES:
            raise ConfigError(f"{source}: there is no limit {name!r}; there are {', '.join(LIMIT_NAMES)}")
    return {name: None if value is None else _limit(name, value, source) for name, value in values.items()}


LIMIT_NAMES = tuple(item.name for item in fields(Limits))
SETTING_NAMES = tuple(item.name for item in fields(Settings) if item.name != "limits")


def from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    """The settings that environment variables hold; an empty variable counts as not set."""
    return {name: environ[variable] for variable, name in _ENVIRONMENT.items() if environ.get(variable)}


def without_secrets(url: str) -> str:
    """A URL without user, password and query: what may be shown and stored."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _value(name: str, value: object, source: str) -> object:
    if name == "memo":
        flag = _FLAGS.get(str(value).strip().lower())
        if flag is None:
            raise ConfigError(f"{source}: memo must be on or off, not {value!r}")
        return flag
    kind = _NUMBERS.get(name)
    if kind is None:
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{source}: {name} must be a text, not {value!r}")
        return value.strip()
    try:
        number = kind(str(value))
    except ValueError:
        number = math.nan
    if isinstance(number, float) and not 0 <= number < math.inf:
        what = "a whole number" if kind is int else "a number of 0 or more"
        raise ConfigError(f"{source}: {name} must be {what}, not {value!r}")
    return number


def _limit(name: str, value: object, source: str) -> float | int | None:
    if isinstance(value, str) and value.lower() in {"none", "off"}:
        return None
    whole = name in {"steps", "calls", "tokens", "depth", "concurrency"}
    least = 0 if name == "depth" else 1 if whole else math.ulp(0.0)
    try:
        number = int(str(value)) if whole else float(str(value))
    except ValueError:
        number = -1
    if not least <= number <= (number if whole else _MOST_SECONDS):
        what = "a whole number" if whole else "a number"
        least_words = "from 0 on" if name == "depth" else "above 0"
        raise ConfigError(f"{source}: {name} must be {what} {least_words}, or none for no limit, not {value!r}")
    return number
