import threading
import time

import pytest

from rsd_jax.distributed import signs_of_life
from rsd_jax.distributed.signs_of_life import SignsOfLife

LIMIT, STUCK_LIMIT = 1.0, 1.5


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


class Run:
    """Two processes as far as they watch each other, and what ended each."""

    def __init__(self, limit=LIMIT):
        self.names = SharedNames()
        self.ends = {0: [], 1: []}
        limits = limit, STUCK_LIMIT
        self.processes = [SignsOfLife(self.names, index, 2, *limits, self.ends[index].append) for index in range(2)]

    def reason(self, process, seconds=6.0):
        until = time.monotonic() + seconds
        while not self.ends[process] and time.monotonic() < until:
            time.sleep(0.1)
        return "; ".join(self.ends[process])


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(signs_of_life, "_SECONDS_OF_GRACE", 0.3)
    run = Run()
    time.sleep(0.5)
    yield run
    run.names.silent.clear()
    for process in run.processes:
        process._is_leaving.set()


def test_one_that_gives_no_sign_is_named_in_time(run):
    run.processes[1]._is_leaving.set()  # as a killed process stops telling
    began = time.monotonic()
    assert "process 1 (pid " in run.reason(0)
    assert "has given no sign of life for 1 s" in run.reason(0)
    assert time.monotonic() - began < LIMIT + 2.0


def test_one_that_has_given_no_sign_yet_has_longer():
    """Its devices may take long to start."""
    ends = []
    alone = SignsOfLife(SharedNames(), 0, 2, LIMIT, 3 * LIMIT, ends.append)
    time.sleep(2 * LIMIT)
    assert ends == []
    alone._thread.join(5 * LIMIT)
    assert ends == ["process 1 has given no sign of life for 3 s"]


def test_the_first_one_is_named_though_it_holds_the_names(run):
    run.names.silent.set()
    assert "process 0 (pid " in run.reason(1)
    assert "has not answered for 1 s" in run.reason(1)


def test_one_that_fails_is_named_with_its_reason(monkeypatch):
    monkeypatch.setattr(signs_of_life, "_SECONDS_OF_GRACE", 0.3)
    run = Run(limit=5.0)  # a machine at work may keep a thread waiting for a second
    run.processes[1].say_goodbye(ValueError("a bad row"))
    assert "has failed: ValueError: a bad row" in run.reason(0)
    run.processes[0]._is_leaving.set()


def test_one_that_is_done_or_lives_is_not_named(run):
    run.processes[1].say_goodbye()
    assert run.reason(0, seconds=2 * LIMIT) == ""
    assert run.processes[0].wait_for_others(0.5) == {}  # one has left, and the other lives
    run.processes[0].say_goodbye()
    assert run.processes[1].wait_for_others(1.0) is None


def test_who_fails_because_another_is_lost_can_name_it(run):
    run.processes[1]._is_leaving.set()
    time.sleep(0.3)
    run.processes[0].say_goodbye(ValueError("connection closed by peer"))
    (name,) = run.processes[0].wait_for_others(0.5).values()
    assert name.startswith("process 1 (pid ")


def test_who_fails_because_the_first_is_lost_can_name_it(run):
    run.names.gone.set()
    run.processes[1].say_goodbye(ValueError("connection closed by peer"))
    (name,) = run.processes[1].wait_for_others(0.5).values()
    assert name.startswith("process 0 (pid ")


def test_one_that_neither_computes_nor_waits_is_stuck_once_another_waits_for_it(run):
    with run.processes[1].taking_steps():
        assert run.reason(0, seconds=2 * LIMIT) == ""  # nobody waits
        with run.processes[0].waiting():
            reason = run.reason(0)
    assert "process 1 (pid " in reason
    assert "is stuck: others have waited for it for 1.5 s" in reason
    assert "is stuck" in run.reason(1)


def test_one_that_computes_is_not_stuck(run):
    with run.processes[1].taking_steps(), run.processes[0].waiting():
        until = time.monotonic() + 2.5 * STUCK_LIMIT
        while time.monotonic() < until:
            sum(range(1000))
    assert run.ends == {0: [], 1: []}


def test_who_gives_signs_is_not_lost_however_long_others_wait(run):
    """As one that compiles: it computes, takes no steps yet, and the other one waits."""
    with run.processes[0].waiting():
        assert run.reason(0, seconds=2 * STUCK_LIMIT) == ""


def test_a_silent_process_is_named_within_15_seconds_by_default():
    """Seen at most two signs late, judged at most one sign late."""
    interval = signs_of_life.SECONDS_UNTIL_LOST / signs_of_life._SIGNS_A_LIMIT
    assert signs_of_life.SECONDS_UNTIL_LOST + 3 * interval < 15
