import io
import re

import pytest

from eval_bridge.runs.job_progress import JobProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_tells_what_is_done_and_the_last_word_of_what_runs():
    terminal = Terminal()
    progress = JobProgress(terminal, 2)
    progress.skip("first")
    with progress.running("second") as last_line:
        last_line.write("\r\x1b[2K    step 3 of 4")
        last_line.write("\r\x1b[2K")
        assert terminal.getvalue().endswith("[##########----------] 1/2 second: step 3 of 4")
    assert "[1/2] first already there\n" in terminal.getvalue()
    assert re.search(r"\[2/2\] second finished in \d+ s\n", terminal.getvalue())


def test_a_file_gets_no_bar_and_an_error_is_told_and_passed_on():
    file = io.StringIO()
    progress = JobProgress(file, 1)

    def fail():
        with progress.running("only") as last_line:
            last_line.write("step 1")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert re.fullmatch(r"only begins\n\[1/1\] only ended after \d+ s without its result\n", file.getvalue())
