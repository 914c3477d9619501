import io
import json
import os

import pytest

from eval_bridge.runs.places.slurm_jobs import SlurmJob
from eval_bridge.runs.places.slurm_queue import SlurmRefusal, require_none_waiting, submit
from tests.eval_bridge.runs.places.slurm_fakes import FakeSlurm

JOBS = [
    SlurmJob("collect", "one\n", ()),
    SlurmJob("rfsq", "two\n", ("collect",)),
    SlurmJob("policy", "three\n", ("collect", "rfsq")),
]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    def make(**options):
        fake = FakeSlurm(tmp_path / "slurm", **options)
        monkeypatch.setenv("PATH", f"{fake.commands}:{os.environ['PATH']}")
        return fake

    return make


def test_jobs_wait_for_the_numbers_of_those_before_and_are_remembered(slurm, tmp_path):
    fake, folder, shown = slurm(), tmp_path / "run" / "slurm", io.StringIO()
    assert submit(JOBS, folder, shown) == {"collect": "101", "rfsq": "102", "policy": "103"}
    assert fake.calls == [
        f"sbatch --parsable {folder}/collect.sbatch",
        f"sbatch --parsable --dependency=afterok:101 {folder}/rfsq.sbatch",
        f"sbatch --parsable --dependency=afterok:101:102 {folder}/policy.sbatch",
    ]
    assert (folder / "policy.sbatch").read_text() == "three\n"
    assert json.loads((folder / "jobs.json").read_text()) == {"collect": "101", "rfsq": "102", "policy": "103"}
    assert shown.getvalue().splitlines()[-1] == "job 103  policy, behind collect, rfsq"


def test_where_one_job_is_refused_none_is_left(slurm, tmp_path):
    fake = slurm(refused=3)
    with pytest.raises(SlurmRefusal, match=r"policy\.sbatch: sbatch: error: invalid partition specified: gpu"):
        submit(JOBS, tmp_path / "run", io.StringIO())
    assert fake.calls[-1] == "scancel 101 102"


def test_jobs_of_the_folder_in_the_queue_are_named(slurm, tmp_path):
    fake, folder = slurm(), tmp_path / "run" / "slurm"
    fake.queue(102, 7)
    require_none_waiting(folder)  # nothing was submitted from here
    submit(JOBS, folder, io.StringIO())
    with pytest.raises(ValueError, match=r"run has jobs in the queue: 102 \(rfsq\); .*: scancel 102$"):
        require_none_waiting(folder)
    fake.queue(7)
    require_none_waiting(folder)


def test_a_machine_without_slurm_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmRefusal, match=r"there is no sbatch on this machine: .* or add --dry_run"):
        submit(JOBS, tmp_path / "run", io.StringIO())
