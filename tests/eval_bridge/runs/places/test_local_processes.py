import io
import os
import re
import signal
import sys
import time

import pytest

from eval_bridge.runs.places import local_processes
from eval_bridge.runs.places.local_processes import run_processes
from eval_bridge.runs.stop_request import StopRequest

TELL = "import os; print(*(os.environ[f'RSD_{n}'] for n in ('COORDINATOR', 'NUM_PROCESSES', 'PROCESS_ID')), end='')"
ONE_FAILS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as one that waits within a computation
print("begun", flush=True)
if os.environ["RSD_PROCESS_ID"] == "1":
    sys.exit(7)
time.sleep(60)
"""


class SignallingTerminal(io.StringIO):
    """Answers the second line "ready" by SIGTERM."""

    def write(self, text):
        written = super().write(text)
        if "ready" in text and self.getvalue().count("ready") == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return written


def run_python(code, count, shown=None):
    shown = shown or io.StringIO()
    with StopRequest() as stop:
        status = run_processes([sys.executable, "-c", code], count, shown, stop)
    return status, sorted(shown.getvalue().splitlines())


def test_each_is_told_of_the_run_and_shown_with_its_number():
    status, lines = run_python(TELL, 2)
    assert status == 0
    first, second = (line.split() for line in lines)
    assert first[0] == "[0]"
    assert second[0] == "[1]"
    assert first[1] == second[1]
    assert first[1].startswith("localhost:")
    assert [first[2:], second[2:]] == [["2", "0"], ["2", "1"]]


def test_the_first_that_fails_ends_all_and_gives_its_status(monkeypatch):
    monkeypatch.setattr(local_processes, "SECONDS_TO_FOLLOW", 0.2)
    monkeypatch.setattr(local_processes, "SECONDS_TO_OBEY", 0.5)
    began = time.monotonic()
    status, lines = run_python(ONE_FAILS, 3)
    assert status == 7
    assert time.monotonic() - began < 50
    (told,) = (line for line in lines if line.startswith("process"))
    assert re.fullmatch(r"process 1 of 3 failed with exit status 7 after \d+ s; all others are ended", told)


def test_sigterm_reaches_all_and_all_are_waited_for():
    wait = "import signal, sys; print('ready', flush=True); signal.sigwait({signal.SIGTERM}); sys.exit(143)"
    code = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})\n{wait}"
    assert run_python(code, 2, SignallingTerminal()) == (143, ["[0] ready", "[1] ready"])


@pytest.mark.parametrize(
    ("visible", "shares"),
    [
        ("", [{}, {}]),
        ("0,1", [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]),
        ("3,1,2,0", [{"CUDA_VISIBLE_DEVICES": "3,1"}, {"CUDA_VISIBLE_DEVICES": "2,0"}]),
    ],
)
def test_processes_share_the_gpus(visible, shares):
    gpus = local_processes.visible_gpus({"CUDA_VISIBLE_DEVICES": visible})
    assert local_processes._gpu_shares(gpus, 2) == shares


def test_what_cannot_be_shared_is_an_error():
    with pytest.raises(ValueError, match="2 processes cannot share 3 GPUs evenly"):
        local_processes._gpu_shares(["0", "1", "2"], 2)
    with pytest.raises(ValueError, match="number of processes must be at least 1, got 0"):
        run_python(TELL, 0)
