import pytest

from rsd_jax.distributed.watch import DONE, FAILED, LIVING, SECONDS_OF_GRACE, STUCK, Idleness, Sign, Watch

LIMIT, STUCK_LIMIT = 10.0, 60.0


class Clock:
    """Process 0 of two, which reads both's signs every second."""

    def __init__(self):
        self.watch = Watch(0, 2, LIMIT, STUCK_LIMIT)
        self.now = 1000.0

    def read(self, state=None, number=None, waits=0.0, message="", seconds=1.0):
        """What it concludes if process 1 tells this; an absent number is a new one, an absent state no sign at all."""
        self.now += seconds
        signs = {0: Sign(0, "a", 10, LIVING, waits, int(self.now))}
        if state is not None:
            signs[1] = Sign(1, "b", 11, state, 0.0, int(self.now) if number is None else number, message)
        return self.watch.judge(signs, self.now)


@pytest.fixture
def clock():
    return Clock()


def test_one_that_gives_no_other_sign_is_lost(clock):
    assert clock.read(LIVING, number=7) is None
    assert clock.read(LIVING, number=7, seconds=LIMIT) is None
    assert clock.read(LIVING, number=7) == "process 1 (pid 11 on b) has given no sign of life for 10 s"


def test_one_that_has_given_no_sign_yet_has_longer(clock):
    """Its devices may take long to start."""
    assert clock.read() is None
    assert clock.read(seconds=STUCK_LIMIT) is None
    assert clock.read() == "process 1 has given no sign of life for 60 s"


def test_who_gives_signs_is_not_lost_however_long_others_wait(clock):
    """As one that compiles: it computes, takes no steps yet, and the other one waits."""
    for _ in range(100):
        assert clock.read(LIVING, waits=2 * STUCK_LIMIT, seconds=LIMIT) is None


def test_one_that_is_done_is_not_lost(clock):
    assert clock.read(DONE, number=7) is None
    assert clock.read(DONE, number=7, seconds=100 * LIMIT) is None


def test_one_that_has_failed_is_named_once_this_one_had_time_to_notice(clock):
    assert clock.read(FAILED, number=7, message="ValueError: a bad row") is None
    assert clock.read(FAILED, number=7, message="ValueError: a bad row", seconds=SECONDS_OF_GRACE) is None
    reason = clock.read(FAILED, number=7, message="ValueError: a bad row")
    assert reason == "process 1 (pid 11 on b) has failed: ValueError: a bad row"


def test_one_that_is_stuck_is_named_once_others_wait_for_it(clock):
    for _ in range(100):
        assert clock.read(STUCK) is None  # nobody waits
    assert clock.read(STUCK, waits=STUCK_LIMIT) is None
    reason = clock.read(STUCK, waits=STUCK_LIMIT + 1)
    assert reason == "process 1 (pid 11 on b) is stuck: others have waited for it for 60 s, and it computes nothing"


def test_one_learns_that_it_is_stuck_itself():
    watch = Watch(0, 2, LIMIT, STUCK_LIMIT)
    signs = {0: Sign(0, "a", 10, STUCK, 0.0, 1), 1: Sign(1, "b", 11, LIVING, STUCK_LIMIT + 1, 1)}
    assert "process 0 (pid 10 on a) is stuck" in watch.judge(signs, 1000.0)


def test_the_one_that_watches_is_not_lost_for_itself():
    watch = Watch(0, 1, LIMIT, STUCK_LIMIT)
    sign = {0: Sign(0, "a", 10, LIVING, 0.0, 1)}
    assert watch.judge(sign, 0.0) is None
    assert watch.judge(sign, 10 * LIMIT) is None


def test_one_that_computes_is_not_idle():
    idleness = Idleness(computed=5.0, now=1000.0)
    idleness.update(computed=5.0, now=1010.0, waits=False)
    assert idleness.seconds(1015.0) == 5.0
    idleness.update(computed=5.1, now=1020.0, waits=False)  # a hundredth of the time: what the threads themselves take
    assert idleness.seconds(1020.0) == 10.0
    idleness.update(computed=5.6, now=1030.0, waits=False)
    assert idleness.seconds(1030.0) == 0.0


def test_one_that_waits_or_begins_anew_is_not_idle():
    idleness = Idleness(computed=5.0, now=1000.0)
    idleness.update(computed=5.0, now=1010.0, waits=False)
    idleness.update(computed=5.0, now=1020.0, waits=True)
    assert idleness.seconds(1030.0) == 0.0
    idleness.update(computed=5.0, now=1030.0, waits=False)
    idleness.end()
    assert idleness.seconds(1040.0) == 0.0
