"""Arms are trained once where they share networks, evaluated as soon as these are there, and counted together."""

import dataclasses
import io
import json
import shutil
import sys

import pytest

from eval_bridge.evaluation.episode_log import EpisodeLog
from eval_bridge.evaluation.summary import summarise, write_summary
from eval_bridge.evidence.what_tokens_buy import describe
from eval_bridge.runs.arms.plan import Plan, plan_arms
from eval_bridge.runs.arms.results import collect_results, write_table
from eval_bridge.runs.arms.run import run_plan
from eval_bridge.runs.arms.settings import ArmsSettings
from eval_bridge.runs.stop_request import Stopped, StopRequest
from launch.config_flags import parse_config
from launch.what_tokens_buy import read_config
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import LOG_NAME, REPORT_NAME, SUMMARY_NAME
from rsd_jax.training.demonstrations import MissingDemonstrations
from tests.eval_bridge.evaluation.log_examples import DIGEST, log_of
from tests.eval_bridge.runs.ablation.ablation_examples import make_run_dir, write_policy
from tests.results.figures import disagreements

SETS = "--config.sets.point_mass.run_dir={}"


@pytest.fixture
def run_dir(tmp_path):
    return make_run_dir(tmp_path / "run")


def settings(run_dir, *overrides) -> ArmsSettings:
    arguments = ["--config", "configs/what_tokens_buy.py:tiny", SETS.format(run_dir), *overrides]
    return to_dataclass(ArmsSettings, parse_config(arguments).to_dict())


def plan(run_dir, *overrides) -> Plan:
    return plan_arms(settings(run_dir, *overrides), read_config)


def copying(stage, source):
    code = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"
    return dataclasses.replace(stage, command=[sys.executable, "-c", code, str(source), str(stage.output)])


def write_arm(folder, stages, decoder, outcomes, decoder_settings):
    """An evaluation of one task by the checkpoints of `stages`, "+" and "-" by episode."""
    folder.mkdir(parents=True)
    identity = {f"checkpoint.{stage}": DIGEST for stage in stages}
    identity |= {"decoder_settings": decoder_settings} if decoder_settings else {}
    contents = log_of({0: outcomes}, simulator="point_mass", suite="point_mass", decoder=decoder, **identity)
    del contents.identity["checkpoint.rfsq"]
    contents.identity |= identity
    with EpisodeLog(folder / LOG_NAME, contents.identity) as log:
        for record in (*contents.sessions, *contents.episodes.values()):
            log.append(record)
    write_summary(folder / SUMMARY_NAME, summarise(contents, len(outcomes)))
    (folder / REPORT_NAME).touch()
    return folder


def made(planned, tmp_path, outcomes, fails=()):
    """The plan with commands that copy what was made before; the trainings named in `fails` end with an error."""
    trained = write_policy(tmp_path / "trained", 0.1)
    branches = []
    for branch in planned.branches:
        trainings = {name: copying(stage, trained) for name, stage in branch.trainings.items()}
        for name in set(fails) & {(branch.name, stage) for stage in trainings}:
            command = [sys.executable, "-c", "raise SystemExit('no memory left')"]
            trainings[name[1]] = dataclasses.replace(trainings[name[1]], command=command)
        evaluations = {}
        for arm, stage in branch.evaluations.items():
            decoder, given = (part.partition("=")[2] for part in _decoder(stage.command))
            source = write_arm(tmp_path / "made" / branch.name / arm, branch.needs[arm], decoder, outcomes[arm], given)
            evaluations[arm] = copying(stage, source)
        branches.append(dataclasses.replace(branch, trainings=trainings, evaluations=evaluations))
    tokenizers = {name: copying(stage, trained) for name, stage in planned.tokenizers.items()}
    return Plan(tokenizers, branches)


def _decoder(command):
    settings = [part for part in command if part.startswith("--config.decoder_settings=")]
    return next(part for part in command if part.startswith("--config.decoder=")), (settings or [""])[0]


def run(planned, terminal=None):
    with StopRequest() as stop:
        return run_plan(planned, 2, 1, stop, terminal or io.StringIO())


def test_what_arms_share_is_trained_once_and_only_what_some_arm_needs(run_dir):
    planned = plan(run_dir, "--config.only=one_pass,l1_regression,token_policy,mode_locked")
    assert {branch.name: list(branch.needed_trainings) for branch in planned.branches} == {
        "policy": ["policy", "main_head"],
        "token_policy": ["policy", "main_head"],
        "mode_locked": ["policy", "main_head"],
    }
    shared, _, locked = planned.branches
    assert list(shared.evaluations) == ["l1_regression", "one_pass"]  # the base first
    changes = {"--config.model.learns=tokens", "--config.model.tokens.mode_locked=True"}
    assert changes <= set(locked.trainings["policy"].command)
    assert locked.trainings["policy"].output == run_dir / "branches" / "mode_locked" / "seed_0" / "policy"
    assert {"--config.model.of_policy=True", "--config.training.steps=1"} <= set(locked.trainings["main_head"].command)


def test_the_policies_of_all_branches_have_the_same_steps(run_dir):
    planned = plan(run_dir, "--config.steps={'policy': 7}")
    commands = [branch.trainings["policy"].command for branch in planned.branches]
    assert len(commands) == 4
    assert all("--config.training.steps=7" in command for command in commands)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.base=l2_regression", "l2_regression are no arms; there are autoregressive, l1_regression"),
        ("--config.arms.mode_locked.branch=locked", "arms.mode_locked.branch='locked' must be one of mode_locked, "),
        ("--config.arms.mode_locked.decoder=speculative_greedy", "needs draft, which branch 'mode_locked' does not"),
        ("--config.steps={'value': 7}", "steps: value are no stages of rfsq, policy, main_head, draft"),
        ("--config.out=out.csv", "out='out.csv' must end in .json"),
        ("--config.only_sets=third", "only_sets: third are no sets; there are point_mass"),
        ("--config.parallel_evaluations=-1", "parallel_evaluations=-1 at least 0"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(run_dir, override, message):
    with pytest.raises(ValueError, match=message):
        settings(run_dir, override)


def test_an_arm_is_evaluated_once_its_networks_are_there_and_a_failure_ends_its_branch_alone(run_dir, tmp_path):
    only = "--config.only=l1_regression,one_pass,two_step_regression"
    outcomes = {"l1_regression": "+-", "one_pass": "++", "two_step_regression": "--"}
    planned, config = made(plan(run_dir, only), tmp_path, outcomes, [("policy", "main_head")]), settings(run_dir, only)
    terminal = io.StringIO()
    (message,) = run(planned, terminal)
    assert message.startswith("point_mass policy seed 0 main_head: stage main_head failed with exit status 1")
    assert "no memory left" in message
    arms = collect_results(config, planned)["arms"]
    assert {name: arm["successes"] for name, arm in arms.items()} == {"l1_regression": 1, "two_step_regression": 0}
    # The same command goes on: what is there is not made again.
    again, terminal = made(plan(run_dir, only), tmp_path / "again", outcomes), io.StringIO()
    assert run(again, terminal) == []
    begun = [line for line in terminal.getvalue().splitlines() if line.endswith("begins")]
    assert begun == ["point_mass policy seed 0 main_head begins", "point_mass policy seed 0 one_pass begins"]
    assert (again.branches[0].folder / "demos").resolve() == run_dir / "demos"
    changed = plan(run_dir, only, "--config.changes.policy=('model.backbone.depth=2',)")
    with pytest.raises(ValueError, match="was trained with other values of configurations"):
        run(changed)


def test_results_are_pooled_with_intervals_and_paired_with_the_base(run_dir, tmp_path):
    only = "--config.only=one_pass,l1_regression"
    planned = made(plan(run_dir, only), tmp_path, {"l1_regression": "+-", "one_pass": "++"})
    assert run(planned) == []
    results = collect_results(settings(run_dir, only), planned)
    assert list(disagreements(results)) == []
    arm = results["arms"]["one_pass"]
    assert (arm["successes"], arm["episodes"], arm["branch"]) == (2, 2, "policy")
    assert arm["sets"]["point_mass"]["per_task"] == {"0": 2}
    assert (arm["paired"]["b"], arm["paired"]["c"]) == (0, 1)
    assert results["arms"]["l1_regression"]["paired"] is None
    assert results["data"]["point_mass"]["demonstration_files"] == 1
    assert [run["stage"] for run in results["trainings"]] == ["policy", "main_head"]
    table = write_table(results).splitlines()
    assert table[2].startswith("| l1_regression | policy | `l1_regression` | 1 of 2")
    assert "+50.0" in table[3]
    (tmp_path / "results.json").write_text(json.dumps(results))
    section = describe(tmp_path / "results.json", tmp_path / "document.md")
    assert section.startswith(write_table(results))
    assert "one setting of each arm tried; commit" in section
    arm["settings_tried"] = 2
    (tmp_path / "results.json").write_text(json.dumps(results))
    said = describe(tmp_path / "results.json", tmp_path / "document.md")
    assert "one setting of each arm tried, 2 of `one_pass`; commit" in said


def test_what_is_trained_on_one_machine_is_evaluated_on_another_without_the_demonstrations(run_dir, tmp_path):
    only, outcomes = "--config.only=l1_regression", {"l1_regression": "+-"}
    trains_alone = (only, "--config.parallel_evaluations=0")
    config, there = settings(run_dir, *trains_alone), made(plan(run_dir, *trains_alone), tmp_path / "there", outcomes)
    assert run(there) == []
    assert [stage.name for stage in there.stages] == ["rfsq", "policy"], "nothing is asked of a renderer"
    trained = collect_results(config, there)
    assert (trained["arms"], len(trained["trainings"])) == ({}, 1)
    shutil.rmtree(run_dir / "demos")
    (run_dir / "demos").mkdir()
    terminal = io.StringIO()
    here = made(plan(run_dir, only), tmp_path / "here", outcomes)
    assert run(here, terminal) == []
    begun = [line for line in terminal.getvalue().splitlines() if line.endswith("begins")]
    assert begun == ["point_mass policy seed 0 l1_regression begins"]
    shutil.rmtree(run_dir / "branches")
    with pytest.raises(MissingDemonstrations, match="no demonstrations in"):
        plan(run_dir, only)


def test_a_part_of_the_sets_is_run_alone(run_dir):
    sets = [f"--config.sets.{name}.run_dir={run_dir}" for name in ("first", "second")]

    def planned_sets(*overrides):
        arguments = ["--config", "configs/what_tokens_buy.py", "--config.only=l1_regression", *sets, *overrides]
        config = to_dataclass(ArmsSettings, parse_config(arguments).to_dict())
        return [branch.task_set for branch in plan_arms(config, read_config).branches]

    assert planned_sets() == ["first", "second"]
    assert planned_sets("--config.only_sets=second") == ["second"]


def test_a_stop_reaches_everything_that_runs_and_nothing_else_begins(run_dir, tmp_path):
    planned = made(plan(run_dir, "--config.only=l1_regression"), tmp_path, {"l1_regression": "+-"})
    code = "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    (branch,) = planned.branches
    stopping = dataclasses.replace(branch.trainings["policy"], command=[sys.executable, "-c", code])
    branch = dataclasses.replace(branch, trainings={"policy": stopping})
    terminal = io.StringIO()
    with pytest.raises(Stopped, match="stopped by SIGTERM in stage policy"):
        run(Plan(planned.tokenizers, [branch]), terminal)
    assert "l1_regression begins" not in terminal.getvalue()
