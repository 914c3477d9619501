import subprocess
from pathlib import Path

import pytest

from eval_bridge.runs.pipeline_stages import PipelinePlan, stages_of
from eval_bridge.runs.places.slurm_jobs import check_begun, jobs_of
from eval_bridge.runs.places.slurm_settings import SlurmSettings
from eval_bridge.runs.places.stage_division import division_of
from launch.config_flags import parse_config

DECODERS = ("l1_regression", "cascade")


def jobs(run_dir: Path, decoders=DECODERS, variant="libero_spatial", **settings):
    """The jobs of a whole run, by name."""
    stages = stages_of(PipelinePlan(run_dir, variant, 3, decoders))
    made = jobs_of(stages, divisions_of(stages), run_dir / "slurm", SlurmSettings(**settings))
    return {job.name: job for job in made}


def divisions_of(stages):
    found = {stage.name: division_of(stage.command, lambda values: parse_config(values).to_dict()) for stage in stages}
    return {name: division for name, division in found.items() if division is not None}


def options(script: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]


def command(script: str) -> str:
    (line,) = (line for line in script.splitlines() if " -m launch." in line)
    return line.split(" -m ")[1]


def test_a_job_waits_for_what_it_reads_and_for_nothing_else():
    after = {name: job.after for name, job in jobs(Path("runs/x")).items()}
    assert list(after) == [
        *("collect_shards", "collect", "rfsq", "policy", "draft", "main_head", "evaluate_shards", "evaluate"),
        *("draft_policy", "confidence", "evaluate_cascade_shards", "evaluate_cascade", "report"),
    ]
    assert after["collect_shards"] == ()
    assert after["collect"] == ("collect_shards",)
    assert after["rfsq"] == ("collect",)
    assert after["policy"] == ("collect", "rfsq")
    assert after["evaluate_shards"] == ("rfsq", "policy", "draft", "main_head")
    assert after["evaluate"] == ("evaluate_shards",)
    assert "evaluate" not in after["draft_policy"]
    assert set(after["report"]) == set(after) - {"report", *(name for name in after if name.endswith("_shards"))}


def test_a_training_takes_nodes_and_everything_else_one_of_a_part():
    made = jobs(Path("runs/x"), nodes=4, gpus_per_node=8, gpus_per_shard=2, cpus_per_task=6, shards=5)
    training, part, whole = (options(made[name].script) for name in ("policy", "evaluate_shards", "report"))
    assert {"--nodes=4", "--ntasks-per-node=1", "--gpus-per-node=8", "--cpus-per-task=6"} <= set(training)
    assert {"--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=2", "--array=0-4"} <= set(part)
    assert {"--nodes=1", "--gpus-per-node=2"} <= set(whole)
    assert not any("--array" in option for option in (*training, *whole))
    assert "--output=runs/x/slurm/policy-%j.log" in training
    assert "--output=runs/x/slurm/evaluate_shards-%A_%a.log" in part
    without = options(jobs(Path("runs/x"), gpus_per_node=0, gpus_per_shard=0)["policy"].script)
    assert not any("gpus" in option for option in without)


def test_commands_are_those_of_the_pipeline_with_a_part_of_the_work_in_front_of_what_unites_it():
    made = {name: command(job.script) for name, job in jobs(Path("runs/x"), shards=4).items()}
    assert made["collect_shards"] == f'{made["collect"]} --config.shard="$SLURM_ARRAY_TASK_ID/4"'
    assert made["collect"] == (
        "launch.collect --config configs/demos.py:libero_spatial --config.run_dir=runs/x --config.seed=3"
    )
    part = made["evaluate_shards"].removesuffix(' --config.shard="$SLURM_ARRAY_TASK_ID/4"')
    assert made["evaluate"] == part.replace("launch.evaluate", "launch.merge_evaluations")
    assert made["policy"].startswith("launch.train --config configs/policy.py:libero_spatial ")


def test_there_are_no_more_parts_than_tasks_and_episodes():
    made = jobs(Path("runs/x"), ("l1_regression",), "tiny", shards=10)
    assert "collect_shards" not in made  # of one task
    assert "--array=0-1" in options(made["evaluate_shards"].script)
    alone = jobs(Path("runs/x"), ("l1_regression",), shards=1)
    assert not [name for name in alone if name.endswith("_shards")]
    assert "merge" not in command(alone["evaluate"].script)


def test_limits_and_options_of_the_cluster_are_those_of_every_job():
    settings = {"partition": "gpu", "account": "lab", "time": "1-12:30", "notice": 300}
    for job in jobs(Path("runs/x"), **settings, sbatch="--qos=high --comment='two words'").values():
        asked = options(job.script)
        assert {"--partition=gpu", "--account=lab", "--time=1-12:30", "--signal=TERM@300", "--requeue"} <= set(asked)
        assert asked[-2:] == ["--qos=high", "'--comment=two words'"]


FAKES = """
srun() { shift 3; printf '%s\\n' "$@" >"$RECORD"; return $STATUS; }
scontrol() { echo "$@" >>"$RECORD"; }
"""


@pytest.mark.parametrize(
    ("status", "restarts", "is_requeued"),
    [(0, 0, False), (1, 0, False), (143, 1, True), (75, 0, True), (143, 2, False)],
)
def test_what_was_saved_or_lost_a_process_is_requeued_a_bounded_number_of_times(
    tmp_path, status, restarts, is_requeued
):
    """The script itself, by bash, with SLURM's two commands played."""
    script = jobs(tmp_path / "a run", requeues=2)["evaluate_shards"].script
    record = tmp_path / "record"
    variables = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(restarts), "SLURM_ARRAY_TASK_ID": "3"}
    ended = subprocess.run(
        ["bash", "-c", FAKES + script],
        env={**variables, "STATUS": str(status), "RECORD": str(record)},
        check=False,
    )
    assert ended.returncode == status
    told = record.read_text().splitlines()
    assert f"--config.run_dir={tmp_path}/a run" in told
    assert "--config.shard=3/10" in told
    assert ("requeue 7" in told) == is_requeued


def test_an_evaluation_goes_on_in_as_many_parts_as_it_was_begun_in(tmp_path):
    stages = stages_of(PipelinePlan(tmp_path, "libero_spatial", 0, ("l1_regression",)))
    for part in range(2):
        (tmp_path / "evaluation" / "shards" / f"{part}_of_4").mkdir(parents=True)
    check_begun(stages, divisions_of(stages), SlurmSettings(shards=4))
    with pytest.raises(ValueError, match=r"evaluation/shards holds 0_of_4, 1_of_4, and shards=10 are asked: give the"):
        check_begun(stages, divisions_of(stages), SlurmSettings())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nodes": 0}, "nodes=0 must be at least 1"),
        ({"gpus_per_node": -1}, "gpus_per_node=-1 must be at least 0"),
        ({"shards": 0}, "shards=0 must be at least 1"),
        ({"time": "4h"}, "time='4h' must read MINUTES, .* for example 04:00:00"),
        ({"time": "1"}, "notice=120 must be less than the 60 seconds of time='1'"),
        ({"time": "1:30"}, "less than the 90 seconds"),
        ({"time": "0-0:1"}, "less than the 60 seconds"),
        ({"partition": "gpu --exclusive"}, "partition='gpu --exclusive' must be one word"),
        ({"sbatch": "-p gpu"}, r"sbatch='-p gpu': '-p' must begin with --; write each as --NAME=VALUE"),
    ],
)
def test_impossible_settings_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        SlurmSettings(**values)
