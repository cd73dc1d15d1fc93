"""Packs of prompts: every word that a model reads, as package data.

A pack is a Markdown file. It begins with settings in TOML between two lines of ``+++``; each ``## name`` opens a
section. A section ``examples KIND`` holds worked examples for that kind of context, written with ``@`` where the
user's own variable goes: a small model copies the name that it sees (measured: 9 of 26 table questions began with
the example's name before that, none after). ``$name`` is filled in by the loop.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from importlib import resources
from itertools import pairwise
from string import Template
from typing import Any, Literal

from rlm_kernel.errors import ConfigError
from rlm_kernel.trajectory.records import Binding, Message

_EXAMPLES = "examples "
_PATTERNS = "patterns "
_IMAGINED = "imagined "
_ALIKE = {"on": "in", "at": "in"}
_SHORT = 10.0  # weight of a few words; keeps a short question from being close to everything


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a family of models wants to be driven. Set at the top of a pack."""

    matches: tuple[str, ...] = ()
    """Patterns of model names, lower case, in the manner of fnmatch."""
    detail: Literal["brief", "full"] = "full"
    """How much the describers say."""
    temperature: float | None = None
    """Of the root and its sub-calls; None leaves it to the server."""
    max_tokens: int | None = None
    """Longest reply of the root; None leaves it to the server."""
    redraw: bool = False
    """A reply of no use leaves no mark: the same messages are asked again, hotter, with another seed."""
    newest_fault_only: bool = False
    """Of steps that failed, only the newest stays in the conversation."""
    doubt_zero: bool = False
    """Doubt a result of zero or nothing once."""
    ask_one: bool = False
    """Ask again, once, when a whole table or a number is given where one name was asked for."""
    take_scalar: bool = False
    """Take a single printed value as the answer where the context is a table: saves the call that would repeat it."""
    mend: bool = False
    """Spell columns as they are and show the value of a last assignment, before code runs."""
    read: bool = False
    """Have passages that a step printed read in a fresh conversation: the question and they alone."""
    patience: int | None = None
    """Replies after which a run without an answer ends from its evidence; None leaves it to the limits."""
    output_chars: int = 8_000
    """How much of a step's output the model is shown; head and tail stay, the cut is stated."""
    rows_a_call: int = 20
    """Small rows that `llm_map` puts into one call; 1 for models that mix them up."""
    extras: tuple[str, ...] = ()
    """Names bound for executions where the user has no such name: ``pd np re``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One worked example: a question, then code, output, code ..."""

    question: str
    replies: tuple[str, ...]
    outputs: tuple[str, ...]
    """One fewer than `replies`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """A family's prompts."""

    name: str
    hash: str
    """The first 12 digits of the SHA-256 of the pack's file; stands in every trajectory."""
    settings: Settings
    sections: dict[str, str]

    def has(self, section: str) -> bool:
        """True if the pack has something to say there."""
        return section in self.sections

    def say(self, section: str, **values: object) -> str:
        """A section with its names filled in; empty if the pack has no such section."""
        return Template(self.sections.get(section, "")).substitute({k: str(v) for k, v in values.items()})

    def opening(  # noqa: PLR0913 - what there is to say, each by name
        self,
        question: str,
        contexts: tuple[Binding, ...],
        *,
        inventory: str = "",
        window: int = 32_768,
        levels: int | None = 1,
        is_child: bool = False,
        form: str = "",
    ) -> tuple[Message, ...]:
        """System prompt, worked examples as real chat turns, then the description and the question.

        Args:
            question: the user's question.
            contexts: the bound variables, described.
            inventory: one line for each of the user's variables, where none was named.
            window: tokens that one sub-call may have.
            levels: how deep models may be called: only what works is described.
            is_child: True for a child run, which may do less.
            form: the form that the answer must have, in words.
        """
        name = contexts[0].name if contexts else "data"
        names = ", ".join(f"`{context.name}`" for context in contexts) or "the notebook's variables"
        kind = contexts[0].kind if contexts else "object"
        text = "\n\n".join(context.text for context in contexts) or inventory
        if len(contexts) > 1:
            text += "\n\n" + self.say("several", names=names)
        if similar := self._similar(kind, name, question):
            text += f"\n\n{similar}"
        asked = self.say("question", description=text, names=names, question=question)
        if form:
            asked += "\n\n" + self.say("final_form", form=form)
        system = self._system(kind, window=window, levels=levels, is_child=is_child)
        return (Message("system", system), *self._examples(kind, name), Message("user", asked))

    def fence(self, code: str) -> str:
        """A reply that holds `code`, as the model should have written it."""
        return fenced(code, "python")

    def _system(self, kind: str, *, window: int, levels: int | None, is_child: bool) -> str:
        own = f"system {kind}"
        calls = self.say("calls", sub_window=f"{window:,}") if levels is None or levels > 0 else ""
        runs = self.say("runs") if levels is None or levels > 1 else ""
        names = "\n".join(filter(None, (calls, runs)))
        judging = self.say("judging") if calls else ""
        text = self.say(own if own in self.sections else "system", calls=names, judging=judging)
        text = re.sub(r"\n{2,}(?=- )", "\n", text)  # a name with nothing to fill in leaves no gap in the list
        return f"{text}\n\n{self.say('child')}" if is_child else text

    def _similar(self, kind: str, name: str, question: str) -> str:
        """The worked question of the pack's collection that is closest in its words; nothing if none is close.

        It stands behind the description, so that a server answers all before it from its cache.
        """
        _, turns = _example_turns(self.sections.get(_PATTERNS + kind, ""))
        imagined = self.sections.get(_IMAGINED + kind, "")
        found = closest(question, {turn.question: turn for turn in turns}, imagined)
        if found is None:
            return ""
        return self.say("similar", question=found.question, code=self.fence(found.replies[0].replace("@", name)))

    def _examples(self, kind: str, name: str) -> list[Message]:
        section = self.sections.get(_EXAMPLES + kind, self.sections.get(_EXAMPLES + "object", ""))
        description, turns = _example_turns(section.replace("@", name))
        messages: list[Message] = []
        for turn in turns:
            asked = self.say("question", description=description, names=f"`{name}`", question=turn.question).strip()
            messages.append(Message("user", asked))
            for reply, output in zip(turn.replies, (*turn.outputs, None), strict=True):
                messages.append(Message("assistant", self.fence(reply)))
                if output is not None:
                    messages.append(Message("user", self.say("output", output=output)))
            description = ""  # one description serves all examples: reading the prompt is the main cost
        return messages


def closest(question: str, collection: Mapping[str, Turn], imagined: str = "") -> Turn | None:
    """The one whose question is most like `question`: by their words, rare ones counting more.

    Args:
        question: the user's.
        collection: worked questions by their text.
        imagined: words of the imagined data in them, which say nothing.
    """
    unsaid = _words(imagined)
    words = {text: _words(text) - unsaid for text in collection}
    counts = Counter(word for own in words.values() for word in own)
    weight = {word: math.log(1 + len(words) / count) for word, count in counts.items()}
    asked = _words(question)

    def score(text: str) -> float:
        shared = sum(weight[word] for word in words[text] & asked)
        return shared / math.sqrt(sum(weight[word] for word in words[text]) + _SHORT)

    best = max(words, key=score, default=None)
    return collection[best] if best is not None and words[best] & asked else None


def _words(text: str) -> frozenset[str]:
    """Words and pairs of words: numbers alike, plurals as singulars, superlatives also by their ending."""
    found = re.findall(r"[a-z]+|\d+", text.lower())
    plain = ["#" if word[0].isdigit() else _ALIKE.get(word, word.removesuffix("s")) for word in found]
    endings = {"-est" for word in plain if word.endswith("est") and len(word) > len("west")}
    return frozenset([*plain, *(" ".join(pair) for pair in pairwise(plain)), *endings])


def fenced(text: str, tag: str = "") -> str:
    """`text` in a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{tag}\n{text}\n{fence}"


def choose(model: str, wanted: str | None = None) -> Pack:
    """The pack for a model: the one asked for by name, else the first whose patterns fit, else the general one.

    Raises:
        ConfigError: there is no pack of the name that was asked for.
    """
    packs = _packs()
    if wanted is not None:
        if wanted not in packs:
            raise ConfigError(f"no prompt pack is called {wanted!r}; there are {', '.join(sorted(packs))}")
        return packs[wanted]
    name = model.lower()
    for pack in packs.values():
        if any(fnmatch(name, pattern) for pattern in pack.settings.matches):
            return pack
    return packs["general"]


@cache
def _packs() -> dict[str, Pack]:
    folder = resources.files(__package__ or "rlm_kernel.prompts")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".md")), key=lambda item: item.name)
    packs = [parse(item.name.removesuffix(".md"), item.read_text(encoding="utf-8")) for item in files]
    return {pack.name: pack for pack in packs}


def parse(name: str, text: str) -> Pack:
    """A pack from the text of its file."""
    _, head, body = text.split("+++\n", 2)
    raw: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in tomllib.loads(head).items()
    }
    parts = re.split(r"(?m)^## (.+)\n", body)
    sections = {title.strip(): content.strip() for title, content in zip(parts[1::2], parts[2::2], strict=True)}
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Pack(name=name, hash=digest, settings=Settings(**raw), sections=sections)


def _example_turns(section: str) -> tuple[str, list[Turn]]:
    description, question = "", ""
    turns: list[Turn] = []
    replies: list[str] = []
    outputs: list[str] = []
    for title, content in re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^### |\Z)", section):
        text = content.strip()
        match title:
            case "description":
                description = text
            case "question":
                if question:
                    turns.append(Turn(question=question, replies=tuple(replies), outputs=tuple(outputs)))
                question, replies, outputs = text, [], []
            case "code":
                replies.append(text)
            case "output":
                outputs.append(text)
    if question:
        turns.append(Turn(question=question, replies=tuple(replies), outputs=tuple(outputs)))
    return description, turns
