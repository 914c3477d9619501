import errno
import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rsd_jax.folder_lock import InUseError, in_use, one_at_a_time

HOLD = """
import sys
from pathlib import Path
from rsd_jax.folder_lock import in_use
with in_use(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Starts another process that has a path in use until it is killed, or until its input ends."""
    processes = []

    def start(path):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def take(path):
    with in_use(path):
        return True


def test_another_process_is_named_with_what_to_do(tmp_path, hold):
    holder = hold(tmp_path / "new" / "policy")
    with pytest.raises(InUseError) as caught:
        take(tmp_path / "new" / "policy")
    expected = (
        rf"^{re.escape(str(tmp_path))}/new/policy is in use by process {holder.pid} on \S+ \(.*-c .*\) since "
        r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\S*; wait for it, end it, or name another folder$"
    )
    assert re.match(expected, str(caught.value), re.DOTALL)
    assert take(tmp_path / "new" / "draft")


def test_when_the_other_ends_the_path_is_free_and_nothing_remains(tmp_path, hold):
    holder = hold(tmp_path / "policy")
    holder.communicate()
    assert list(tmp_path.iterdir()) == []
    assert take(tmp_path / "policy")


def test_a_killed_one_holds_nothing(tmp_path, hold):
    holder = hold(tmp_path / "policy")
    holder.kill()
    holder.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".policy.lock"]
    with in_use(tmp_path / "policy"):
        assert json.loads((tmp_path / ".policy.lock").read_text())["pid"] != holder.pid
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_folder_is_that_folder(tmp_path):
    (tmp_path / "run" / "demos").mkdir(parents=True)
    (tmp_path / "demos").symlink_to(tmp_path / "run" / "demos")
    with in_use(tmp_path / "run" / "demos"), pytest.raises(InUseError, match="demos is in use by process"):
        take(tmp_path / "demos")


def test_an_exception_frees_it(tmp_path):
    def fail():
        with in_use(tmp_path / "policy"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert take(tmp_path / "policy")


def test_a_mark_that_is_not_written_yet_is_somebody(tmp_path):
    with in_use(tmp_path / "policy"):
        (tmp_path / ".policy.lock").write_text("")
        with pytest.raises(InUseError, match="policy is in use by another process; wait for it"):
            take(tmp_path / "policy")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_locks_that_is_said_and_the_work_goes_on(tmp_path, monkeypatch, caplog, number):
    def flock(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert take(tmp_path / "policy")
    with one_at_a_time(tmp_path / "rows.lock"):
        pass
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        f"{tmp_path}/policy: no locks there",
        f"{tmp_path}/rows.lock: no locks there",
    ]


def test_other_errors_of_locks_are_errors(tmp_path, monkeypatch):
    def flock(file, operation):
        raise OSError(errno.EIO, "the server is gone")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="the server is gone"):
        take(tmp_path / "policy")
    with pytest.raises(OSError, match="the server is gone"), one_at_a_time(tmp_path / "rows.lock"):
        pass
