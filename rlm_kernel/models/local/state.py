"""What a running server leaves on the disk so that other kernels find it, and what it is started with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rlm_kernel.models.local import places, processes

PROTOCOL = 1
"""Changes when servers and clients of different releases would not understand each other: each then has its own."""

BUSY = 3
"""Exit status of a server process that found another one at its place."""
LOG = "server.log"
"""Name of the log: errors of the engine, never a prompt or a key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How the server serves."""

    slots: int = 2
    """Conversations held at once. A run's root keeps one; its sub-calls, one after the other, use the other."""
    context: int = 8_192
    """Tokens of prompt and reply together, for each slot."""
    threads: int = field(default_factory=processes.good_threads)
    """Threads that compute."""
    idle_seconds: float = 10.0
    """How long the server stays when its last client is gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """All that a server process is told at its start, through its standard input."""

    model: str
    """Path of the weights."""
    name: str
    """The model's name in requests."""
    directory: str
    """Where its state, its lock and its log lie."""
    api_key: str = field(repr=False)
    """The key that every request must bear."""
    settings: Settings

    def to_json(self) -> str:
        """As one line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "settings": Settings(**values["settings"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A server that runs, as it recorded itself."""

    pid: int
    """Its process."""
    created: float
    """When the process began: with the number it names the process for good."""
    port: int
    """Where requests go."""
    lease_port: int
    """Where clients show that they are there."""
    api_key: str = field(repr=False)
    """The key of both."""
    name: str
    """The model's name in requests."""
    slots: int
    """Conversations held at once."""
    context: int
    """Tokens for each of them."""

    @staticmethod
    def path(directory: Path) -> Path:
        """The file that holds it."""
        return directory / "server.json"

    def save(self, directory: Path) -> None:
        """Write it, readable by this user alone."""
        places.replace_file(self.path(directory), json.dumps(asdict(self)))

    @classmethod
    def load(cls, directory: Path) -> State | None:
        """What the file says; None if there is none or it makes no sense."""
        try:
            return cls(**json.loads(cls.path(directory).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
