import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

FIRST = "process 0 (pid 7 on a)"

RUN = """
import os, sys, signal
from rsd_jax.distributed.last_words import LastWords
last_words = LastWords(sys.argv[1])
if sys.argv[3] == "named":
    last_words.name("process 0 (pid 7 on a)")
print("ready", flush=True)
if sys.argv[3] == "failing":
    last_words.name("process 0 (pid 7 on a)")
    last_words.fail(ValueError("Gloo\\nhung up"))
    last_words.name("process 0 (pid 7 on a)")
if sys.argv[2] == "leaves":
    last_words.leave()
    last_words.leave()
else:
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def gone(listener):
    """An address at which nothing listens."""
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    return address


def words_of(address, end, is_named="named"):
    command = [sys.executable, "-c", RUN, address, end, is_named]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr  # of both, until both have ended


def test_one_that_is_aborted_says_that_process_0_is_gone(gone):
    words = words_of(gone, "SIGABRT")
    assert f"error: {FIRST}, with whom all others speak, is gone: nothing answers at {gone}; JAX has aborted" in words


def test_process_0_has_a_name_before_it_is_known(gone):
    assert "error: process 0, with whom all others speak, is gone" in words_of(gone, "SIGABRT", "unnamed")


def test_what_it_had_failed_for_is_said_too(gone):
    words = words_of(gone, "SIGABRT", "failing")
    assert f"error: {FIRST}, with whom all others speak, is gone" in words
    assert words.endswith("checkpoint. This process had failed before: ValueError: Gloo hung up\n")


def test_one_that_leaves_says_nothing(gone):
    assert words_of(gone, "leaves") == ""
    assert words_of(gone, "leaves", "failing") == ""


NAMED_WHILE_IT_LEAVES = """
import itertools, sys, threading
from rsd_jax.distributed.last_words import LastWords
last_words, is_over = LastWords(sys.argv[1]), threading.Event()
def name():
    for number in itertools.count():
        if is_over.is_set():
            return
        last_words.name(f"process 0 (pid {number} on a)")
thread = threading.Thread(target=name)
thread.start()
last_words.leave()
is_over.set()
thread.join()
"""


def test_a_name_in_the_moment_of_leaving_is_not_spoken(gone):
    command = [sys.executable, "-c", NAMED_WHILE_IT_LEAVES, gone]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stderr == ""


def test_one_that_is_killed_while_process_0_lives_says_nothing(listener):
    assert words_of(f"127.0.0.1:{listener.getsockname()[1]}", "SIGKILL") == ""


def test_what_a_terminal_or_scheduler_sends_to_all_does_not_silence_it(gone):
    command = [sys.executable, "-c", RUN, gone, "SIGSTOP", "named"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    (beside,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    while not ignores_interrupts(beside):
        pass
    os.kill(int(beside), signal.SIGINT)
    os.kill(int(beside), signal.SIGTERM)
    process.kill()
    assert FIRST in process.communicate(timeout=60)[1]


def ignores_interrupts(pid):
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["SigIgn"], 16) >> (signal.SIGTERM - 1) & 1
