"""Processes of their own beside threads and forks of this one."""

import os
import signal
import threading
import time

import pytest

from keras_recurrent.export import child

SCRIPT = """
import sys, time
sys.path.append({folder!r})
from answering import serve
serve(lambda: lambda task: time.sleep(task["seconds"]) or {{"number": task["number"]}})
"""


@pytest.fixture
def service(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=os.path.dirname(child.__file__)))
    service = child.Service("The test's process", script)
    yield service
    child._services.remove(service)
    service.child.end()


def test_threads_get_their_own_answers(service):
    found = []

    def ask(number):
        found.append((number, service.ask({"number": number, "seconds": 0.01}, 10)["number"]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(number, number) for number in range(8)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_while_another_thread_waits_for_an_answer(service):
    thread = threading.Thread(target=service.ask, args=({"number": 0, "seconds": 1.0}, 10))
    thread.start()
    while service.child is None or not service.lock.locked():
        time.sleep(0.01)
    parents = service.child
    forked = os.fork()
    if not forked:
        signal.alarm(8)  # ends it, should it wait for ever
        own = service.ask({"number": 1, "seconds": 0}, 5)["number"] == 1
        service.child.end()
        try:
            parents.ask({"number": 2, "seconds": 0}, 5)
        except child.ChildFailed:
            os._exit(0 if own else 1)
        os._exit(2)
    assert os.waitpid(forked, 0)[1] == 0
    thread.join()
    assert service.ask({"number": 3, "seconds": 0}, 10)["number"] == 3
    assert service.child is parents
