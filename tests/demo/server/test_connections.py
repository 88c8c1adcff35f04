"""Connections that send no request, over real sockets."""

import socket
from collections import deque
from types import SimpleNamespace

import httpx
import pytest

from demo.server import connections as module
from demo.server.connections import Connections


class Connection:
    """What `Connections` looks at, of uvicorn's; closed: whether it was."""

    def __init__(self, busy=False):
        self.cycle = SimpleNamespace(response_complete=False) if busy else None
        self.transport = SimpleNamespace(abort=self.abort)
        self.closed = False

    def abort(self):
        self.closed = True


def test_connections_close_the_oldest_idle_one_and_let_the_newcomer_in():
    kept = Connections(3)
    first, busy, second = Connection(), Connection(busy=True), Connection()
    for each in (busy, first, second):
        kept.opened(each)
    newcomer = Connection()
    kept.opened(newcomer)
    assert [each.closed for each in (busy, first, second, newcomer)] == [False, True, False, False]
    busy.cycle.response_complete = True  # kept alive, and asks for nothing any more
    kept.opened(Connection())
    assert busy.closed and not newcomer.closed


def test_connections_refuse_a_newcomer_only_where_all_others_are_busy():
    kept = Connections(2)
    busy = [Connection(busy=True) for _ in range(2)]
    for each in busy:
        kept.opened(each)
    newcomer = Connection()
    kept.opened(newcomer)
    assert newcomer.closed and not any(each.closed for each in busy)


def address(url):
    return "127.0.0.1", int(url.rsplit(":", 1)[1])


def is_closed(connection, seconds):
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_limit_connections_closes_one_whose_request_does_not_come(start, monkeypatch, sent):
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.5)
    url, _ = start()
    with socket.create_connection(address(url)) as connection:
        connection.sendall(sent)
        assert is_closed(connection, 30)


def test_limit_connections_keeps_the_server_open_to_others_of_the_same_address(start, monkeypatch):
    url, _ = start()
    idle = deque(socket.create_connection(address(url)) for _ in range(600))
    assert httpx.get(url + "/config").status_code == 200
    for each in idle:
        each.close()
