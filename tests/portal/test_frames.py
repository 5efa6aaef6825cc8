"""Check that nested calls in a thread of the web server need no new memory for their frames, at any depth."""

import resource
import socket
import threading

import pytest

from portal.management.frames import call_with_large_frame
from portal.management.web_server import Server

# The number of nested calls in these tests. No request nests more calls.
DEPTH = 400

pytestmark = pytest.mark.skipif(
    not hasattr(resource, "RUSAGE_THREAD"), reason="only Linux counts the page faults of a thread"
)


def _in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def _call_at_each_depth(depth=DEPTH):
    """Call a function several times at each depth.

    At some depth, Python's current memory block for frames is full. Then each call would ask for a new block.
    """
    for _ in range(20):
        _nothing()
    if depth:
        _call_at_each_depth(depth - 1)


def _nothing():
    pass


def _count_page_faults(counts):
    _call_at_each_depth()
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    _call_at_each_depth()
    counts.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)


def test_nested_calls_inside_call_with_large_frame_need_no_new_memory():
    without, with_room = [], []
    _in_thread(_count_page_faults, without)
    _in_thread(call_with_large_frame, _count_page_faults, with_room)
    assert (without[0] > 40, with_room[0] < 5) == (True, True), (without, with_room)


def test_web_server_answers_requests_in_threads_that_use_call_with_large_frame():
    counts = []

    def application(environ, start_response):
        _count_page_faults(counts)
        start_response("204 No Content", [])
        return []

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(application, listener, threads=1)
        try:
            with socket.create_connection(listener.getsockname(), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                while not counts:
                    server.asyncore.loop(timeout=0.1, map=server._map, count=1)
        finally:
            server.task_dispatcher.shutdown()
            server.asyncore.close_all(server._map)
            server.trigger.close()
    assert counts[0] < 5, counts


def test_call_with_large_frame_returns_the_result_or_raises_the_exception_of_the_function():
    assert call_with_large_frame(max, 1, 3) == 3
    with pytest.raises(ZeroDivisionError):
        call_with_large_frame(divmod, 1, 0)
