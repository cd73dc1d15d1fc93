"""What the tests of the memo share: replies, keys, and work that other processes do."""

import os

from rlm_kernel.models.memo import Memo
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage

MIB = 2**20


def reply(text="yes", **fields):
    return Reply(
        text=text, model="m-2026", usage=Usage(calls=1, input_tokens=9, output_tokens=3, cached_tokens=1), **fields
    )


def request(text="Is this a complaint?", **fields):
    return Request(messages=(Message("user", text),), **fields)


def bulky(size=3000):
    """A text that cannot be compressed to less than about its half."""
    return os.urandom(size // 2).hex()


def write_many(folders, name, gate):
    """In each folder, at the moment when the others begin too: put 20 replies ten times, and look them up."""
    for folder in folders:
        memo = Memo(folder, patience=30)
        gate.wait(60)
        for turn in range(10):
            entries = {f"{name}-{turn}-{n}": reply(f"{name} {turn} {n}") for n in range(20)}
            memo.put(entries)
            assert memo.get(list(entries)) == entries, memo.off
        memo.close()


def write_until_killed(folder, ready):
    memo = Memo(folder)
    for turn in range(1_000_000):
        memo.put({f"{turn}-{n}": reply(bulky()) for n in range(50)})
        ready.put(turn)
