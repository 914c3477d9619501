import contextlib
import io
import os
import signal
import time

import pytest

from eval_bridge.runs.stage_process import StageFailure, run_stage
from eval_bridge.runs.stop_request import Stopped, StopRequest
from tests.eval_bridge.runs.stage_scripts import SAVES_AT_TERM, WRITES_OUTPUT, python_stage


class SignallingTerminal(io.StringIO):
    """Answers the line "step 1" by SIGTERM."""

    def write(self, text: str) -> int:
        if "step 1" in text:
            os.kill(os.getpid(), signal.SIGTERM)
        return len(text)

    def isatty(self) -> bool:
        return True


def stopped_before() -> StopRequest:
    """A request that arrived before the process did."""
    stop = StopRequest()
    with stop:
        os.kill(os.getpid(), signal.SIGTERM)
    return stop


def test_log_holds_everything_and_the_terminal_one_line(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    code = r"import sys; sys.stdout.write('10%\r90%\rdone\n'); sys.stderr.write('a warning\n');" + WRITES_OUTPUT
    terminal = Terminal()
    run_stage(python_stage("rfsq", tmp_path, code), tmp_path / "rfsq.log", terminal, StopRequest())
    log = (tmp_path / "rfsq.log").read_text()
    assert "a warning" in log
    assert "done" in log
    assert "90%" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()


def test_log_keeps_earlier_pieces(tmp_path):
    for text in ("first piece", "second piece"):
        with pytest.raises(StageFailure, match=text):
            run_stage(
                python_stage("rfsq", tmp_path, f"print('{text}')"), tmp_path / "log", io.StringIO(), StopRequest()
            )
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line for line in lines if "---" not in line] == ["first piece", "second piece"]
    assert sum("python -c" in line for line in lines) == 2


def test_a_request_that_came_first_reaches_the_process(tmp_path):
    stage = python_stage("policy", tmp_path, "import time; time.sleep(60)")
    with pytest.raises(Stopped, match=r"stopped by SIGTERM in stage policy after \d+ s"):
        run_stage(stage, tmp_path / "log", io.StringIO(), stopped_before())


def test_a_stage_that_finishes_nevertheless_is_finished(tmp_path):
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + WRITES_OUTPUT
    stage = python_stage("policy", tmp_path, code)
    stop = StopRequest()
    stop.number = signal.SIGTERM
    stop.caring_for = contextlib.nullcontext  # it arrives when nothing is left to do
    run_stage(stage, tmp_path / "log", io.StringIO(), stop)
    assert stage.is_finished(stage.output)


def test_what_fails_while_saving_is_a_failure(tmp_path):
    code = SAVES_AT_TERM.replace("sys.exit(143)", "sys.exit('the disk is full')")
    code = code.replace('(folder / "started").touch()', "print('step 1', flush=True)")
    stage = python_stage("policy", tmp_path, code)
    with StopRequest() as stop, pytest.raises(StageFailure, match="the disk is full"):
        run_stage(stage, tmp_path / "log", SignallingTerminal(), stop)


def test_signals_of_a_terminal_reach_the_stage_by_the_pipeline_alone(tmp_path):
    code = f"{WRITES_OUTPUT}; import os; (p / 'group').write_text(str(os.getpgrp()))"
    stage = python_stage("policy", tmp_path, code)
    run_stage(stage, tmp_path / "log", io.StringIO(), StopRequest())
    assert int((stage.output / "group").read_text()) != os.getpgrp()


def test_the_processes_of_a_stage_end_with_it(tmp_path):
    code = (
        "import subprocess, sys; "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('step 1', flush=True); "
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    )
    started = time.monotonic()
    with StopRequest() as stop, pytest.raises(Stopped):
        run_stage(python_stage("collect", tmp_path, code), tmp_path / "log", SignallingTerminal(), stop)
    assert time.monotonic() - started < 50
