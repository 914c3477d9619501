"""Ablations: what is trained and evaluated with which values, what is refused, and what the results say."""

import dataclasses
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from configs import ablations
from eval_bridge.runs.ablation.results import collect_results, write_table
from eval_bridge.runs.ablation.run import run_trials
from eval_bridge.runs.ablation.trials import SHARED, plan_trials
from eval_bridge.runs.stage_process import PipelineStage
from eval_bridge.runs.stop_request import Stopped, StopRequest
from launch.ablate import read_config
from launch.config_flags import parse_config
from tests.eval_bridge.runs.ablation.ablation_examples import (
    make_run_dir,
    plan,
    settings,
    two_trials,
    write_evaluation,
    write_policy,
)

LEAVE = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"


@pytest.fixture
def run_dir(tmp_path):
    return make_run_dir(tmp_path)


def leaving(trial, policy, evaluation):
    """The trial with commands that copy what was made before."""

    def copy(stage, source):
        return dataclasses.replace(stage, command=[sys.executable, "-c", LEAVE, str(source), str(stage.output)])

    assert trial.evaluation is not None
    return dataclasses.replace(
        trial, training=copy(trial.training, policy), evaluation=copy(trial.evaluation, evaluation)
    )


def failing(trial):
    command = [sys.executable, "-c", "raise SystemExit('no memory left')"]
    return dataclasses.replace(trial, training=dataclasses.replace(trial.training, command=command))


def finished(capsys):
    return [line.partition(":")[0] for line in capsys.readouterr().out.splitlines() if line.endswith(": finished")]


def run(trials, parallel=1):
    with StopRequest() as stop:
        return run_trials(trials, parallel, stop, sys.stdout)


def test_trains_and_evaluates_what_is_missing_in_folders_that_share_the_data(run_dir, tmp_path, capsys):
    policy, evaluation = write_policy(tmp_path / "p", 0.1), write_evaluation(tmp_path / "e", "+-")
    trials = [leaving(trial, policy, evaluation) for trial in two_trials(run_dir)]
    assert run(trials) == []
    assert sorted(finished(capsys)) == sorted(
        f"{name}, seed 0, {stage}" for name in ("base", "no_shift") for stage in ("policy", "development")
    )
    folder = run_dir / "ablations" / "no_shift" / "seed_0"
    assert (folder / "demos").resolve() == run_dir / "demos"
    assert (folder / "rfsq").resolve() == run_dir / "rfsq"
    assert (folder / "demos").is_symlink()
    assert (folder / "rows").resolve() == run_dir / "rows"
    assert sorted(path.name for path in (folder / "logs").iterdir()) == ["development.log", "policy.log"]
    assert all(trial.is_complete for trial in trials)
    assert run(trials) == []
    assert finished(capsys) == []


def test_a_policy_may_learn_from_the_demonstrations_of_another_run(run_dir, tmp_path):
    overrides = "--config.overrides.no_shift=('demos={}', 'training.batch_size=4')"
    other = tmp_path / "other"
    with pytest.raises(ValueError, match=r"'no_shift' has nothing to learn from: .*/other"):
        plan(settings(run_dir, overrides.format(other)))
    assert len(plan(settings(run_dir, overrides.format(other), "--config.only=base"))) == 2  # not no_shift
    (other / "demos" / "suite").mkdir(parents=True)
    (other / "demos" / "suite" / "task_demo.hdf5").write_text("demonstrations with drops")
    base, drops = two_trials(run_dir, overrides.format(other))
    drops.prepare()
    assert (drops.folder / "demos").resolve() == other / "demos"
    assert (drops.folder / "rfsq").resolve() == run_dir / "rfsq"
    assert drops.record["demos"] != base.record["demos"]
    assert "--config.training.batch_size=4" in drops.training.command
    assert not any("other" in argument for argument in drops.training.command)


def test_a_failure_is_told_with_its_log_and_the_others_go_on(run_dir, tmp_path, capsys):
    policy, evaluation = write_policy(tmp_path / "p", 0.1), write_evaluation(tmp_path / "e", "+-")
    base, other = (leaving(trial, policy, evaluation) for trial in two_trials(run_dir))
    (message,) = run([failing(base), other])
    assert "base, seed 0: stage policy failed with exit status 1" in message
    assert "no memory left" in message
    assert str(base.folder / "logs" / "policy.log") in message
    assert other.is_complete
    assert run([base, other]) == []  # the same command goes on
    assert finished(capsys)[-2:] == ["base, seed 0, policy", "base, seed 0, development"]


def test_a_policy_trains_while_the_one_before_is_evaluated(run_dir, tmp_path):
    """The evaluation ends only when the next training has begun."""
    policy, evaluation = write_policy(tmp_path / "p", 0.1), write_evaluation(tmp_path / "e", "+-")
    base, other = (leaving(trial, policy, evaluation) for trial in two_trials(run_dir))
    waiting = (
        f"import pathlib, time\nwhile not pathlib.Path({str(other.folder / 'policy')!r}).exists(): time.sleep(.02)\n"
    )
    command = [*base.evaluation.command[:2], waiting + LEAVE, *base.evaluation.command[3:]]
    base = dataclasses.replace(base, evaluation=dataclasses.replace(base.evaluation, command=command))
    assert run([base, other]) == []


def test_a_stop_reaches_training_and_evaluation(run_dir):
    sleeping = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]

    def stage(name):
        return PipelineStage(name, run_dir / name, sleeping, Path.exists)

    base, other = two_trials(run_dir)
    write_policy(base.training.output, 0.1)
    base = dataclasses.replace(base, evaluation=stage("development"))
    other = dataclasses.replace(other, training=stage("policy"))
    logs = [trial.folder / "logs" / f"{name}.log" for trial, name in ((base, "development"), (other, "policy"))]

    def stop_when_both_run():
        while not all(log.exists() and "here\n" in log.read_text() for log in logs):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)  # of the process: it interrupts the main thread's reading

    threading.Thread(target=stop_when_both_run, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(Stopped, match="stopped by SIGTERM in stage policy"):
        run([base, other])
    assert time.monotonic() - started < 50


def test_results_count_pairs_against_the_base(run_dir, tmp_path):
    wanted = settings(run_dir, "--config.evaluation.episodes_per_task=4")
    trials = [trial for trial in plan(wanted) if trial.name in ("base", "no_shift")]
    base = write_evaluation(tmp_path / "e1", "++--")
    better = write_evaluation(tmp_path / "e2", "-+++")
    run([
        leaving(trials[0], write_policy(tmp_path / "p1", 0.25), base),
        leaving(trials[1], write_policy(tmp_path / "p2", 0.5), better),
    ])  # fmt: skip
    results = collect_results(wanted, plan(wanted))
    assert list(results["variants"]) == ["base", "no_shift"]  # the others are not there
    found = results["variants"]["no_shift"]
    assert found["overrides"] == ["model.augmentation.shift=0.0"]
    assert found["heldout"] == {"heldout_l1": 0.5, "heldout_steps": 8}
    assert (found["training_seconds"], found["steps_per_second"]) == (4.0, 5.0)
    assert (found["development"]["successes"], found["development"]["episodes"]) == (3, 4)
    assert found["development"]["interval"] == pytest.approx([0.3006, 0.9544], abs=1e-4)
    paired = found["paired"]
    assert (paired["against"], paired["episodes"], paired["b"], paired["c"]) == ("base", 4, 1, 2)
    assert (paired["difference"], paired["p_value"]) == (0.25, 1.0)
    assert results["variants"]["base"]["paired"] is None
    assert results["device"] == "1 x H100"
    assert json.loads(json.dumps(results)) == results
    table = write_table(results, Path("results/ablations/x.json"))
    assert (
        "| no_shift | `model.augmentation.shift=0.0` | 0.5000 | - | - | - | 5.0 | 3 of 4 (30.1% to 95.4%) |" in table
    )
    assert "+25.0" in table
    assert "b=1 c=2" in table


def test_seeds_are_added_up_and_paired_seed_by_seed(run_dir, tmp_path):
    wanted = settings(run_dir, "--config.seeds=(0,1)")
    trials = [trial for trial in plan(wanted) if trial.name in ("base", "no_shift")]
    outcomes = {("base", 0): "+-", ("base", 1): "--", ("no_shift", 0): "++", ("no_shift", 1): "+-"}
    for trial in trials:
        write_policy(trial.training.output, 0.1 + 0.2 * trial.seed)
        write_evaluation(trial.evaluation.output, outcomes[trial.name, trial.seed])
    run(trials)
    found = collect_results(wanted, trials)["variants"]["no_shift"]
    assert [each["development"]["successes"] for each in found["seeds"]] == [2, 1]
    table = write_table(collect_results(wanted, trials), run_dir / "out.json")
    assert "with another training seed counts as another episode" in table
    assert found["heldout"]["heldout_l1"] == pytest.approx(0.2)
    assert (found["development"]["successes"], found["development"]["episodes"]) == (3, 4)
    assert (found["paired"]["episodes"], found["paired"]["b"], found["paired"]["c"]) == (4, 0, 2)


def test_policies_are_judged_likewise_in_further_simulators(run_dir, tmp_path, capsys):
    wanted = settings(run_dir, "--config.evaluation.tasks=(0,)", variant="tiny_places")
    trials = [trial for trial in plan(wanted) if trial.name in ("base", "without_position")]
    assert "--config.model.backbone.proprio=without_position" in trials[1].training.command
    folders = ["development", "development_libero_development"]
    simulators = ["libero_layouts", "libero_development"]
    for trial in trials:
        assert [stage.name for stage in trial.evaluations] == folders
        commands = [parse_config(list(stage.command)[5:]) for stage in trial.evaluations]
        assert [config.simulator for config in commands] == simulators
        write_policy(trial.training.output, 0.1)
        for stage, simulator in zip(trial.evaluations, simulators, strict=True):
            in_layouts = "+" if trial.name == "without_position" else "-"
            outcome = in_layouts if simulator == "libero_layouts" else "+"
            write_evaluation(stage.output, outcome, "libero_spatial", simulator)
    assert run(trials) == []
    assert "without_position, seed 0, development_libero_development: already there" in capsys.readouterr().out
    results = collect_results(wanted, trials)
    found = results["variants"]["without_position"]
    assert (found["development"]["successes"], found["paired"]["c"]) == (1, 1)
    assert found["further"]["libero_development"]["paired"]["c"] == 0
    assert found["seeds"][0]["further"]["libero_development"]["successes"] == 1
    header, _, base, row, *_ = write_table(results, Path("x.json")).splitlines()
    assert "| success in libero_development | against base | p |" in header
    assert len({line.count("|") for line in (header, base, row)}) == 1
    assert not trials[0].further["libero_development"].is_finished(trials[0].evaluation.output)
    with pytest.raises(ValueError, match="must name each simulator once"):
        settings(run_dir, "--config.further_simulators=('libero_layouts',)", variant="tiny_places")
    with pytest.raises(ValueError, match=r"simulator='libero' must be one of"):
        settings(run_dir, "--config.further_simulators=('libero',)", variant="tiny_places")


def test_heldout_only_runs_no_episode(run_dir, tmp_path):
    wanted = settings(run_dir, "--config.heldout_only", "--config.only=base")
    (base, *_) = plan(wanted)
    assert base.evaluation is None
    write_policy(base.training.output, 0.1)
    run([base])
    results = collect_results(wanted, [base])
    assert results["evaluation"] is results["variants"]["base"]["development"] is None
    assert "no episodes" in write_table(results, Path("x.json"))


def test_every_command_has_values_that_its_config_knows(run_dir):
    trials = plan(settings(run_dir, "--config.steps=7", "--config.evaluation.tasks=(0,)"))
    assert [trial.name for trial in trials] == ["base", "no_colour", "no_shift"]
    for trial in trials:
        command = list(trial.training.command)
        trained = parse_config(command[command.index("--config") :])
        assert (trained.run_dir, trained.training.steps, trained.training.evaluate_every) == (str(trial.folder), 7, 7)
        command = list(trial.evaluation.command)
        evaluated = parse_config(command[command.index("--config") :])
        assert (evaluated.simulator, evaluated.decoder, evaluated.tasks) == ("point_mass", "l1_regression", (0,))
        assert (evaluated.output, evaluated.latency_repeats) == ("development", 0)
    no_shift = next(trial for trial in trials if trial.name == "no_shift")
    assert "--config.model.augmentation.shift=0.0" in no_shift.training.command


@pytest.mark.parametrize("policies", [ablations.POLICIES, ablations.DATA, ablations.PLACES])
def test_every_listed_policy_fits_the_policy_config(policies):
    for name, changes in policies.items():
        arguments = [f"--config.{key}={value}" for key, value in changes.items() if key not in SHARED]
        assert parse_config(["--config", "configs/policy.py", *arguments]), name


def test_more_episodes_make_an_evaluation_unfinished(run_dir, tmp_path):
    base, _ = two_trials(run_dir)
    write_policy(base.training.output, 0.1)
    write_evaluation(base.evaluation.output, "+-")
    base.prepare()
    assert base.is_complete
    assert not two_trials(run_dir, "--config.evaluation.episodes_per_task=3")[0].is_complete


def test_an_evaluation_of_another_suite_or_policy_is_not_the_trials(run_dir):
    base, other = two_trials(run_dir)
    for trial, suite in ((base, "point_mass"), (other, "another")):
        write_policy(trial.training.output, 0.1)
        write_evaluation(trial.evaluation.output, "+-", suite)
        trial.prepare()
    assert (base.is_complete, other.is_complete) == (True, False)
    (base.training.output / "best" / "00000010" / "metadata.json").write_text("trained again")
    assert not base.is_complete


@pytest.mark.parametrize("change", ["--config.steps=9", "--config.overrides.base=('training.batch_size=4',)", "demos"])
def test_a_folder_trained_with_something_else_is_refused(run_dir, change):
    two_trials(run_dir)[0].prepare()
    if change == "demos":
        (run_dir / "demos" / "suite" / "task_demo.hdf5").write_text("others, and more")
        change = "--config.steps=0"
    base = two_trials(run_dir, change)[0]
    assert not base.is_complete
    with pytest.raises(ValueError, match=r"base/seed_0 was trained with other values of (steps|overrides|demos)"):
        base.prepare()


def test_a_folder_trained_with_other_defaults_is_refused(run_dir):
    two_trials(run_dir)[0].prepare()

    def with_another_default(source, overrides):
        values = read_config(source, overrides)
        values["training"]["learning_rate"] *= 2
        return values

    with pytest.raises(ValueError, match=r"trained with other values of configuration \("):
        plan_trials(settings(run_dir), with_another_default)[0].prepare()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "--config.evaluation.simulator=libero",
            "must be one of libero_development, libero_layouts, libero_looks, point_mass: nothing may",
        ),
        ("--config.only=no_shif", "no_shif are no variants; there are base, no_colour"),
        ("--config.base=none", "none are no variants"),
        ("--config.overrides.base=('model.augmentation.shfit=1',)", "did you mean 'model.augmentation.shift'"),
        ("--config.evaluation.tasks=(1,)", "point_mass has the tasks 0 to 0"),
        ("--config.parallel_evaluations=0", "parallel_evaluations=0 must be at least 1"),
        ("--config.run_dir=/nowhere", "'base' has nothing to learn from: .*/nowhere"),
        ("--config.policy=none", "no variant 'none'"),
    ],
)
def test_impossible_values_are_refused_before_anything_starts(run_dir, override, message):
    with pytest.raises(ValueError, match=message):
        plan(settings(run_dir, override))
    assert not (run_dir / "ablations").exists()


def test_evaluation_states_are_refused_even_without_episodes(run_dir):
    with pytest.raises(ValueError, match="evaluation states"):
        plan(settings(run_dir, "--config.heldout_only", "--config.evaluation.simulator=libero"))
