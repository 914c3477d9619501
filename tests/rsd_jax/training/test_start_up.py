import time

from rsd_jax.training.start_up import StartUp


def test_phases_follow_each_other_from_the_begin_of_the_process():
    before = StartUp()
    before.note("imports")
    time.sleep(0.05)
    before.note("reading")
    before.note("state")
    before.note("reading")
    assert list(before.seconds) == ["imports", "reading", "state"]
    assert 0.05 <= before.seconds["reading"] < 5.0
    # This process has imported pytest and more; a clock of another origin would tell of days or of nothing.
    assert 0.1 < before.seconds["imports"] < 24 * 3600.0
    assert str(before).startswith(f"first step after {sum(before.seconds.values()):.1f} s: imports ")
