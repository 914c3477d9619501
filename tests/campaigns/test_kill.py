"""The campaign itself, in short, and that it can fail."""

import random
import sys

import pytest

from tests.campaigns import kill
from tests.campaigns.kill import Fault, campaign, strike
from tests.campaigns.killable_work import Work
from tests.campaigns.stepped_clock import step_clock

# Counts to 40 in a file, and goes on where it was; each step takes 20 ms.
COUNT = """
import os, pathlib, sys, time
path = pathlib.Path(sys.argv[1]) / "count"
done = int(path.read_text()) if path.exists() else 0
for number in range(done + 1, 41):
    time.sleep(0.02)
    (path.parent / "new").write_text(str(number))
    os.replace(path.parent / "new", path)
(path.parent / "result").write_text(sys.argv[2] or str(done))
"""


def counting(last: str) -> Work:
    """Work whose result is `last`; empty: how far it had come before its last start, which kills change."""
    return Work(
        lambda folder: ["-c", COUNT, str(folder), last],
        lambda folder: None,
        lambda folder: (folder / "result").read_text(),
    )


@pytest.fixture
def works(monkeypatch):
    monkeypatch.setattr(kill, "_KINDS", {"training": ("killed",)})
    return lambda work: monkeypatch.setattr(kill, "WORKS", {"training": work})


def test_what_goes_on_to_the_same_end_passes(works):
    works(counting("done"))
    result = campaign(3, 0, {"training": 1.0}, print)
    assert result["faults"] == []
    assert (result["kills"], result["resumed"], result["same_bits"]) == (3, 3, 3)
    assert result["kinds"] == {"training/killed": {"kills": 3, "resumed": 3}}


def test_another_end_is_a_fault(works):
    works(counting(""))
    result = campaign(3, 0, {"training": 1.0}, print)
    assert (result["kills"], result["resumed"], result["same_bits"]) == (3, 3, 0)
    assert "other bits than a run that nothing happened to" in result["faults"][0]


def test_what_does_not_go_on_is_a_fault(tmp_path):
    failing = Work(lambda folder: ["-c", "import sys; sys.exit('cannot')"], lambda folder: None, lambda folder: None)
    with pytest.raises(Fault, match=r"ended with 1: cannot"):
        kill.finish(failing, tmp_path)


def test_a_full_disk_that_is_not_named_is_a_fault(tmp_path):
    silent = Work(lambda folder: ["-c", "import sys; sys.exit(1)"], lambda folder: None, lambda folder: None)
    (tmp_path / "run").mkdir()
    with pytest.raises(Fault, match="a full disk was not named"):
        strike("full_disk", silent, tmp_path / "run", 1.0, random.Random(0))


def test_the_clock_steps(monkeypatch):
    import time

    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, getattr(time, name))
    real = time.time
    step_clock(seed=0)
    assert max(abs(time.time() - real()) for _ in range(500)) > 3600
    assert sys.modules["time"] is time
