import os
import subprocess
import sys

from tests.running_processes import processes_with, wait_until

OWNER = """
import os, signal, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from rsd_jax.worker_process import begin_work_for

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, get_context("spawn"), initializer=begin_work_for, initargs=(os.getpid(),))
    pool.submit(time.sleep, 600)
    assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
    print("busy", flush=True)
    time.sleep(600)
"""


def test_workers_of_a_pool_leave_ctrl_c_to_their_owner_and_end_with_it(tmp_path):
    program = tmp_path / "owner.py"
    program.write_text(OWNER)
    environment = os.environ | {"OWNED_BY": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(program)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "busy\n"
        owner.kill()
    wait_until(lambda: not processes_with(f"OWNED_BY={tmp_path}"), seconds=30.0)


def test_a_worker_whose_owner_has_ended_already_ends():
    """The process that is given as owner did not start the worker, as after the owner's end."""
    code = f"from rsd_jax.worker_process import end_with; end_with({os.getpid()}); print('still here')"
    process = subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{code}"; exit $?'], capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", "")
