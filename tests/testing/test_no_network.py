"""The guard that keeps tests on the machine."""

import asyncio
import contextlib
import socket

import pytest

from rlm_kernel.testing import NetworkForbidden, no_network

ELSEWHERE = ("192.0.2.1", 9)  # an address that documentation owns: nobody answers there


def connect(address):
    with socket.socket() as sock:
        sock.settimeout(0.2)
        sock.connect(address)


def test_connection_elsewhere_is_refused_by_name(tried_to_leave):
    """A connection to another machine fails and names it."""
    with pytest.raises(NetworkForbidden, match=r"192\.0\.2\.1"):
        connect(ELSEWHERE)
    assert tried_to_leave == ["192.0.2.1"]
    tried_to_leave.clear()


@pytest.mark.parametrize(
    "leave",
    [
        lambda: socket.getaddrinfo("example.invalid", 80),
        lambda: socket.gethostbyname("example.invalid"),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ELSEWHERE),
        lambda: asyncio.run(asyncio.open_connection("example.invalid", 80)),
    ],
    ids=["look-up", "old look-up", "datagram", "asyncio"],
)
def test_every_way_out_is_watched(leave):
    """Look-ups, datagrams and asyncio are stopped as connections are, and swallowing the error does not hide it."""
    with pytest.raises(AssertionError, match="tried to leave"), no_network(), contextlib.suppress(OSError):
        leave()


def test_loopback_is_open():
    """Servers on this machine are reached by address and by name."""
    with no_network(), socket.create_server(("127.0.0.1", 0)) as server:
        connect(server.getsockname())
        connect(("localhost", server.getsockname()[1]))


def test_expected_try_can_be_forgiven():
    """A test that wants to see the failure clears the list and goes on."""
    with no_network() as tried:
        with pytest.raises(NetworkForbidden):
            connect(ELSEWHERE)
        assert tried == ["192.0.2.1"]
        tried.clear()


def test_guards_nest():
    """The innermost guard takes the blame, and the outer one still stands after it."""
    with no_network() as outer:
        with pytest.raises(AssertionError), no_network():
            with pytest.raises(NetworkForbidden):
                connect(ELSEWHERE)
        assert outer == []
        with pytest.raises(NetworkForbidden):
            connect(ELSEWHERE)
        assert len(outer) == 1
        outer.clear()


def test_error_of_the_block_is_not_hidden():
    """An exception inside the block comes out as it is."""

    def divide():
        with contextlib.suppress(NetworkForbidden):
            connect(ELSEWHERE)
        return 1 / 0

    with pytest.raises(ZeroDivisionError), no_network():
        divide()
