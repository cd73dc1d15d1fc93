"""A guard that lets nothing leave the machine."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Iterator

_open_guards: list[list[str]] = []
_hooked: list[bool] = []
"""Holds something once the hook is there: an audit hook cannot be taken away again, only told to do nothing."""


class NetworkForbidden(OSError):
    """Something under `no_network` tried to reach another machine."""


@contextlib.contextmanager
def no_network() -> Iterator[list[str]]:
    """Forbid every connection, datagram and name look-up that is not for this machine.

    What tries gets a `NetworkForbidden`, and even if it swallows that, the block ends with an AssertionError. Yields
    the list of what was tried; a test that wants a try to happen clears it. Other processes are not watched.
    """
    if not _hooked:
        sys.addaudithook(_watch)
        _hooked.append(True)
    tried: list[str] = []
    _open_guards.append(tried)
    try:
        yield tried
    finally:
        _open_guards[:] = [guard for guard in _open_guards if guard is not tried]
    if tried:
        raise AssertionError(f"tried to leave this machine: {', '.join(tried)}")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if not _open_guards or not event.startswith("socket."):
        return
    match event, arguments:
        case (("socket.connect" | "socket.sendto" | "socket.sendmsg"), (_, (str(host), *_))):
            pass
        case "socket.getaddrinfo" | "socket.gethostbyname", (str(host), *_):
            pass
        case _:  # a Unix socket, or no use of a network
            return
    if not _is_here(host):
        _open_guards[-1].append(host)
        raise NetworkForbidden(f"no test may leave this machine, and this one tried to reach {host}")


def _is_here(host: str) -> bool:
    if host in {"", "localhost", socket.gethostname()} or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
