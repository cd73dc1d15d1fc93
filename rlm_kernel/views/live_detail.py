"""The page of a row in the live view: a list of blocks, made when the row is opened and not before.

A block is a small dict with a ``kind``; `js/README.md` lists them. Long texts are cut to their first piece, with the
name under which the view can ask for the others, so that a prompt of a megabyte never leaves the kernel unless
somebody reads it, and then in pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from rlm_kernel.trajectory.records import Message, Output, Rich
from rlm_kernel.trajectory.tree import Call, Node, Step, Tree
from rlm_kernel.usage import Usage
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.escape import visible
from rlm_kernel.views.live_rows import Row
from rlm_kernel.views.words import change_words, count, duration, status_word, token_words

PIECE = 24_000
"""Characters of a text that go at once."""

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")
_IMAGE = 8_000_000
_HTML = 400_000
_PREVIEW = 140
_REASONS = 5
_SLOWEST = 5

Block = dict[str, Any]


def detail_of(tree: Tree, row: Row, part: str, at: int) -> dict[str, Any]:
    """The blocks of a page, or a piece of a text.

    Args:
        tree: the fold of the events.
        row: the row that was opened.
        part: ``""``, ``messages`` or ``usage`` for a page, else the name of a text.
        at: where the piece begins.
    """
    if part == "usage":
        return {"blocks": list(_usage(row))}
    if part in {"", "messages"}:
        return {"blocks": list(_page(tree, row, part))}
    return _piece(_named(row, part), max(0, at))


def _page(tree: Tree, row: Row, part: str) -> Iterable[Block]:
    match row.source, part:
        case Step() as step, "messages":
            return _exchanges(tree, row, step)
        case Step() as step, _:
            return _step(row, step)
        case Call() as call, _:
            return _call(row, call, ())
        case Node() as node, _:
            return _run(node)
        case _:
            return _batch(row)


def _piece(text: str, at: int) -> dict[str, Any]:
    end = at + PIECE
    return {"text": visible(text[at:end]), "length": len(text), "next": end if end < len(text) else None}


def _text(kind: str, label: str, text: str, part: str, **more: object) -> Block:
    return {"kind": kind, "label": label, "part": part, **_piece(text, 0), **more}


def _named(row: Row, part: str) -> str:
    """The text of a row that has this name; empty if there is none."""
    kind, _, number = part.partition(".")
    index = int(number) if number.isdecimal() else -1
    match row.source:
        case Step() as step:
            return _text_of_step(step, kind, index)
        case Call() as call:
            return _text_of_call(call, kind, index)
        case Node() as node:
            answer = node.finished.answer if node.finished else ""
            return {"question": node.started.question, "answer": answer}.get(kind, "")
        case _:
            return ""


def _text_of_step(step: Step, kind: str, index: int) -> str:
    if kind == "code":
        return step.started.code if step.started else ""
    if kind == "reply":
        return _last_reply(step)
    output = step.finished.output if step.finished else Output()
    if kind == "rich" and 0 <= index < len(output.rich):
        return _plain(output.rich[index])
    failure = output.failure
    texts = {"output": output.text, "stderr": output.stderr, "traceback": failure.traceback if failure else ""}
    return texts.get(kind, failure.message if failure and kind == "error" else "")


def _text_of_call(call: Call, kind: str, index: int) -> str:
    messages = call.started.request.messages
    if kind == "sent":
        return messages[index].content if 0 <= index < len(messages) else ""
    reply = call.finished.reply if call.finished else None
    if reply is None:
        return (call.error or "") if kind == "error" else ""
    if kind == "tool":
        return reply.tool_calls[index] if 0 <= index < len(reply.tool_calls) else ""
    return {"reply": reply.text, "thinking": reply.reasoning}.get(kind, "")


def _last_reply(step: Step) -> str:
    call = step.root_calls[-1] if step.root_calls else None
    return call.finished.reply.text if call and call.finished and call.finished.reply else ""


def _step(row: Row, step: Step) -> Iterator[Block]:
    if step.started:
        yield _text("code", "Code the model wrote", step.started.code, "code")
    elif reply := _last_reply(step):
        waiting = row.fields["state"] in {"running", "paused"}
        label = "Written, not run yet" if waiting else "The reply, of which no code was run"
        yield _text("text", label, reply, "reply", prose=True)
    elif step.root_calls and step.root_calls[-1].error:
        yield {"kind": "error", "name": "no reply", "message": visible(step.root_calls[-1].error), "interrupted": False}
    if step.finished:
        yield from _output(step.finished.output)
    notes = [[note.kind, visible(note.text)] for note in step.notes]
    told = [["notice", visible(text)] for text in (step.finished.output.notices if step.finished else ())]
    if notes or told:
        yield {"kind": "notes", "items": notes + told}


def _output(output: Output) -> Iterator[Block]:
    shown = _shown_rich(output)
    if output.text.strip() and not _said_by(output, shown):
        yield _text("text", "Output", output.text, "output")
    yield from shown
    if output.stderr.strip():
        yield _text("text", "Standard error", output.stderr, "stderr")
    if output.dropped:
        yield {"kind": "notes", "items": [["notice", f"{count(output.dropped, 'character')} of output were not kept"]]}
    if output.failure:
        failure = output.failure
        yield {
            "kind": "error",
            "name": visible(failure.kind),
            "message": visible(failure.message[:PIECE]),
            "line": failure.line,
            "interrupted": failure.interrupted,
        }
        if failure.traceback.strip():
            yield _text("traceback", "Traceback", failure.traceback, "traceback")
    if output.changes:
        items = [[sign, visible(name), visible(rest)] for sign, name, rest in map(change_words, output.changes)]
        yield {"kind": "names", "label": "Changed in your namespace", "items": items}


def _shown_rich(output: Output) -> list[Block]:
    blocks = []
    for index, rich in enumerate(output.rich):
        block = _image(rich) or _table(rich)
        if block is None and (text := _plain(rich)) and text.strip() not in output.text:
            block = _text("text", "Output", text, f"rich.{index}")
        if block is None and not _plain(rich):
            kinds = ", ".join(sorted(map(str, rich.data)))[:_PREVIEW]
            block = {"kind": "notes", "items": [["notice", f"an output of type {visible(kinds)}"]]}
        if block is not None:
            blocks.append(block)
    return blocks


def _said_by(output: Output, shown: list[Block]) -> bool:
    """True if the text is only what a table that is shown says better."""
    tables = [block["plain"].strip() for block in shown if block["kind"] == "html"]
    return not output.stdout.strip() and bool(tables) and visible(output.text).strip() in tables


def _image(rich: Rich) -> Block | None:
    for kind in _IMAGES:
        data = rich.data.get(kind)
        if isinstance(data, str) and data:
            words = one_line(_plain(rich), _PREVIEW) or "Figure"
            if len(data) > _IMAGE:
                return {"kind": "notes", "items": [["notice", f"a figure of {len(data):,} characters: too large"]]}
            return {"kind": "image", "mime": kind, "data": data, "label": words}
    return None


def _table(rich: Rich) -> Block | None:
    html = rich.data.get("text/html")
    if not isinstance(html, str) or not html.strip() or len(html) > _HTML:
        return None
    return {"kind": "html", "label": "Output", "html": visible(html), "plain": visible(_plain(rich)[:PIECE])}


def _plain(rich: Rich) -> str:
    text = rich.data.get("text/plain")
    return text if isinstance(text, str) else ""


def _exchanges(tree: Tree, row: Row, step: Step) -> Iterator[Block]:
    """Every request to the root model in this step; messages that went before are marked as such."""
    steps = tree.runs[row.up.source.started.run].steps if row.up else []
    earlier: tuple[Message, ...] = ()
    for other in sorted(steps, key=lambda each: each.number):
        if other.number < step.number and other.root_calls:
            earlier = other.root_calls[-1].started.request.messages
    for call in step.root_calls:
        yield from _call(row, call, earlier)
        earlier = call.started.request.messages


def _call(row: Row, call: Call, earlier: tuple[Message, ...]) -> Iterator[Block]:
    """Messages sent and reply. Its texts are named by the call, so that a step can show several."""
    name = f"c{call.id}"
    sent = call.started.request.messages
    shared = 0
    for ours, theirs in zip(sent, earlier, strict=False):
        if ours is not theirs and ours != theirs:
            break
        shared += 1
    yield {
        "kind": "messages",
        "id": name,
        "label": f"Sent to {visible(call.model)}",
        "items": [_sent(index, message, new=index >= shared) for index, message in enumerate(sent)],
        "open": row.kind in {"call", "ask"},
    }
    reply = call.finished.reply if call.finished else None
    if reply is not None:
        source = "from the memo" if call.memo else f"{duration(call.finished.seconds if call.finished else 0)}"
        label = f"{visible(reply.model)} replied · {source} · {token_words(reply.usage)}"
        if reply.reasoning:
            yield _text("text", "Its thinking, as the server gave it", reply.reasoning, "thinking", id=name, prose=True)
        yield _text("text", label, reply.text, "reply", id=name, prose=True)
        for index, arguments in enumerate(reply.tool_calls):
            yield _text("text", "Tool call", arguments, f"tool.{index}", id=name)
    elif call.finished:
        yield {
            "kind": "error",
            "name": "no reply",
            "message": visible((call.error or "")[:PIECE]),
            "interrupted": False,
        }


def _sent(index: int, message: Message, *, new: bool) -> Block:
    preview = one_line(message.content[: 4 * _PREVIEW], _PREVIEW)
    length = len(message.content)
    return {"part": f"sent.{index}", "role": message.role, "length": length, "preview": preview, "new": new}


def _run(node: Node) -> Iterator[Block]:
    started, finished = node.started, node.finished
    yield _text("text", "Question", started.question, "question", prose=True)
    if finished and finished.error:
        word = status_word(finished.status)
        yield {"kind": "error", "name": word, "message": visible(finished.error), "interrupted": False}
    if finished and finished.answer:
        yield _text("text", _answer_label(node), finished.answer, "answer")
    notes = [[note.kind, visible(note.text)] for step in node.steps for note in step.notes]
    if notes:
        yield {"kind": "notes", "items": notes}
    if started.contexts:
        items = [
            ["", visible(context.name), visible(f" {context.type} {context.summary}")] for context in started.contexts
        ]
        yield {"kind": "names", "label": "Asked about", "items": items}
    limits = ", ".join(f"{name} {value:,g}" for name, value in started.limits.items() if value is not None)
    facts = [["Model", started.model], ["Sub-model", started.sub_model], ["Prompts", started.pack], ["Limits", limits]]
    facts.append(["Run", started.run])
    yield {"kind": "facts", "items": [[name, visible(value)] for name, value in facts if value]}


def _answer_label(node: Node) -> str:
    extracted = node.finished is not None and node.finished.extracted
    return "Answer, taken from the evidence after a limit" if extracted else "Answer"


def _batch(row: Row) -> Iterator[Block]:
    fields, calls = row.fields, [call for call in row.source if isinstance(call, Call)]
    words = [count(fields.get("n", 0), "item"), f"{fields.get('done', 0):,} done"]
    words += [f"{fields['memo']:,} from the memo"] if fields.get("memo") else []
    words += [f"{fields['failed']:,} failed"] if fields.get("failed") else []
    yield {"kind": "facts", "items": [["Items", ", ".join(words)], *_times(calls)]}
    reasons = Counter(one_line(call.error, _PREVIEW) for call in calls if call.error)
    if reasons:
        items = [[count(number, "time"), "", f": {text}"] for text, number in reasons.most_common(_REASONS)]
        yield {"kind": "names", "label": "Why items failed", "items": items}
    slowest = sorted((call for call in calls if call.finished), key=lambda call: -_seconds(call))[:_SLOWEST]
    if len(slowest) > 1:
        links = [[f"c{call.id}", duration(_seconds(call)), _first_words(call)] for call in slowest]
        yield {"kind": "links", "label": "Slowest", "items": links}


def _times(calls: list[Call]) -> list[list[str]]:
    spans = sorted(_seconds(call) for call in calls if call.finished and not call.memo)
    if not spans:
        return []
    middle = spans[len(spans) // 2]
    return [
        ["Time of a call", f"{duration(spans[0])} to {duration(spans[-1])}, half of them within {duration(middle)}"]
    ]


def _seconds(call: Call) -> float:
    return call.finished.seconds if call.finished else 0.0


def _first_words(call: Call) -> str:
    messages = call.started.request.messages
    return one_line(messages[-1].content[: 4 * _PREVIEW], _PREVIEW) if messages else ""


def _usage(row: Row) -> Iterator[Block]:
    usage: Usage = row.usage
    cost = f"${usage.dollars:.4f}"
    if usage.unpriced:
        cost = f"not known: no price for {count(usage.unpriced, 'call')}"
        cost += f"; the others cost ${usage.dollars:.4f}" if usage.dollars else ""
    facts = [
        ["Calls answered", f"{usage.calls:,}"],
        ["Tokens sent", f"{usage.input_tokens:,}"],
        ["of them cached", f"{usage.cached_tokens:,}"],
        ["Tokens received", f"{usage.output_tokens:,}"],
        ["Cost", cost],
    ]
    if isinstance(row.source, Call):
        facts += _request_facts(row.source)
    yield {"kind": "facts", "items": facts}


def _request_facts(call: Call) -> list[list[str]]:
    request, reply = call.started.request, call.finished.reply if call.finished else None
    facts: dict[str, object] = {"Temperature": request.temperature, "Seed": request.seed}
    facts |= {
        "Longest reply": request.max_tokens,
        "Retries": call.retries or None,
        "Finish reason": reply.finish if reply else None,
    }
    if reply and reply.estimated:
        facts["Tokens"] = "an estimate: the server reported none"
    if call.memo:
        facts["Memo"] = "the answer was taken from the memo, nothing was sent"
    return [[name, visible(str(value))] for name, value in facts.items() if value is not None]
