import json
import threading
import time

import pytest

from rsd_jax.distributed import signs_of_life, watch
from rsd_jax.distributed.signs_of_life import SignsOfLife

SOON = 1.0
"""Limit for one that is silent indeed; whoever must not be named has `LATE`, as a busy machine lets threads wait."""

LATE = 60.0


class SharedNames:
    """The store, in this process's memory; `silent` or `gone` as long as its host is lost."""

    def __init__(self):
        self.texts = {}
        self.silent, self.gone = threading.Event(), threading.Event()

    def key_value_set(self, key, value, allow_overwrite=False):
        self._answer()
        self.texts[key] = value

    def key_value_dir_get(self, key):
        self._answer()
        return list(self.texts.items())

    def _answer(self):
        while self.silent.is_set():
            time.sleep(0.01)
        if self.gone.is_set():
            raise RuntimeError("UNAVAILABLE: Connection reset by peer")

    def states(self):
        """The state that each process told last."""
        return [json.loads(text)[3] for _, text in sorted(self.texts.items())]


class Run:
    """Two processes as far as they watch each other, and what ended each; a sign follows the other in 0.1 s."""

    def __init__(self, limit):
        self.names = SharedNames()
        self.ends = {0: [], 1: []}
        self.processes = [
            SignsOfLife(self.names, index, 2, limit, LATE, self.ends[index].append, interval=0.1) for index in range(2)
        ]
        self.wait_until(lambda: all(self.have_seen(process) for process in self.processes))

    def have_seen(self, process):
        return all("pid" in process._watch.name(index) for index in range(2))

    def wait_until(self, holds, seconds=60.0):
        until = time.monotonic() + seconds
        while not holds() and time.monotonic() < until:
            time.sleep(0.02)
        assert holds()

    def reason(self, process):
        self.wait_until(lambda: self.ends[process])
        return "; ".join(self.ends[process])

    def end(self):
        self.names.silent.clear()
        for process in self.processes:
            process._is_leaving.set()


@pytest.fixture
def run(request):
    run = Run(getattr(request, "param", LATE))
    yield run
    run.end()


@pytest.mark.parametrize("run", [SOON], indirect=True)
def test_one_that_gives_no_sign_is_named(run):
    run.processes[1]._is_leaving.set()  # as a killed process stops telling
    assert "process 1 (pid " in run.reason(0)
    assert "has given no sign of life for 1 s" in run.reason(0)


@pytest.mark.parametrize("run", [SOON], indirect=True)
def test_the_first_one_is_named_though_it_holds_the_names(run):
    run.names.silent.set()
    assert "process 0 (pid " in run.reason(1)
    assert "has not answered for 1 s" in run.reason(1)


def test_one_that_fails_is_named_with_its_reason(run, monkeypatch):
    monkeypatch.setattr(watch, "SECONDS_OF_GRACE", 0.3)
    run.processes[1].say_goodbye(ValueError("a bad row"))
    assert "has failed: ValueError: a bad row" in run.reason(0)


def test_one_that_is_done_is_not_waited_for(run):
    run.processes[1].say_goodbye()
    assert run.processes[0].wait_for_others(2.0) == {}  # one has left, and the other lives
    run.processes[0].say_goodbye()
    assert run.processes[1].wait_for_others(1.0) is None
    assert run.ends == {0: [], 1: []}


def test_a_goodbye_is_the_last_that_is_told(run):
    """Though another sign is on its way, which would look like life that ends."""
    is_told, may_go_on = threading.Event(), threading.Event()
    tell = run.names.key_value_set

    def held_back(key, value, allow_overwrite=False):
        if key.endswith("1") and json.loads(value)[3] == watch.LIVING:
            is_told.set()
            may_go_on.wait(60)
        tell(key, value, allow_overwrite)

    run.names.key_value_set = held_back
    assert is_told.wait(60)
    goodbye = threading.Thread(target=run.processes[1].say_goodbye)
    goodbye.start()
    goodbye.join(0.2)
    may_go_on.set()
    goodbye.join()
    run.processes[1]._thread.join()
    assert run.names.states()[1] == watch.DONE


def test_who_fails_because_another_is_lost_can_name_it(run):
    run.processes[1]._is_leaving.set()
    run.processes[1]._thread.join()
    run.processes[0].say_goodbye(ValueError("connection closed by peer"))
    (name,) = run.processes[0].wait_for_others(0.5).values()
    assert name.startswith("process 1 (pid ")


def test_who_fails_because_the_first_is_lost_can_name_it(run):
    run.names.gone.set()
    run.processes[1].say_goodbye(ValueError("connection closed by peer"))
    (name,) = run.processes[1].wait_for_others(0.5).values()
    assert name.startswith("process 0 (pid ")


def test_one_that_waits_says_so_and_one_that_is_stuck_too(run, monkeypatch):
    first, second = run.processes
    for process in run.processes:
        process._stuck_limit = process._watch._stuck_limit = 0.5
    monkeypatch.setattr(second._idleness, "seconds", lambda now: 1.0)  # whatever else the tests' process computes
    with second.taking_steps(), first.waiting():
        reason = run.reason(0)
    assert "process 1 (pid " in reason
    assert "is stuck: others have waited for it for 0.5 s" in reason


def test_a_silent_process_is_named_within_15_seconds_by_default():
    """Seen at most two signs late, judged at most one sign late."""
    interval = signs_of_life.SECONDS_UNTIL_LOST / signs_of_life._SIGNS_A_LIMIT
    assert signs_of_life.SECONDS_UNTIL_LOST + 3 * interval < 15


class Heard:
    """What is told to the process beside one."""

    def __init__(self):
        self.names, self.errors, self.has_left = [], [], False

    def name(self, first):
        self.names.append(first)

    def fail(self, error):
        self.errors.append(error)

    def leave(self):
        self.has_left = True


def test_the_process_beside_one_is_told_how_process_0_is_called(run):
    heard = Heard()
    second = SignsOfLife(run.names, 1, 2, LATE, LATE, run.ends[1].append, interval=LATE, last_words=heard)
    run.wait_until(lambda: heard.names, LATE / 2)  # by its first exchange: it may be aborted before the next
    assert heard.names[0] == run.processes[1]._watch.name(0)
    assert not heard.has_left
    second.say_goodbye()
    assert heard.has_left


def test_the_process_beside_one_that_fails_stays_until_it_has_said_whom_it_has_lost(run):
    """JAX aborts who loses process 0, often while it still asks who is there."""
    heard, error = Heard(), ConnectionError("Gloo hung up")
    second = SignsOfLife(run.names, 1, 2, LATE, LATE, run.ends[1].append, interval=LATE, last_words=heard)
    second.say_goodbye(error)
    assert (heard.errors, heard.has_left) == ([error], False)
    second.dismiss_last_words()
    assert heard.has_left
