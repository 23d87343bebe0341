"""The guard of `conftest.nothing_left_over` sees what a test leaves behind, and nothing that was there before."""

from __future__ import annotations

import socket
import threading

import hypothesis

from tests.conftest import Leftovers


def test_a_server_and_a_connection_are_seen_until_they_are_closed() -> None:
    before = Leftovers()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert before.more() == {f"socket {server.fileno()} on port {port}"}
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert f"socket {client.fileno()} on port {client.getsockname()[1]}" in before.more()
    assert before.more() == set()


def test_what_was_there_before_is_nobodys_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert Leftovers().more() == set()


def test_a_new_socket_in_the_place_of_an_old_one_is_seen() -> None:
    old = socket.create_server(("127.0.0.1", 0))
    descriptor = old.fileno()
    before = Leftovers()
    old.close()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.fileno() == descriptor and len(before.more()) == 1


def test_sockets_that_are_no_connections_are_left_alone() -> None:
    before = Leftovers()
    ends = socket.socketpair()
    assert before.more() == set()
    for end in ends:
        end.close()


def test_a_thread_of_ours_is_seen() -> None:
    before, go_on = Leftovers(), threading.Event()
    thread = threading.Thread(target=go_on.wait, name="aigw-worker")
    thread.start()
    assert before.more() == {f"thread aigw-worker ({thread.ident})"}
    go_on.set()
    thread.join()
    assert before.more() == set()


def test_no_example_fails_for_having_taken_long() -> None:
    assert hypothesis.settings().deadline is None
    assert hypothesis.settings(max_examples=3).deadline is None
