"""A run whose ablations can be planned, and what its policies would leave."""

import json

from eval_bridge.evaluation.episode_log import EpisodeLog
from eval_bridge.evaluation.summary import summarise, write_summary
from eval_bridge.runs.ablation.trials import AblationSettings, plan_trials
from launch.ablate import read_config
from launch.config_flags import parse_config
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import LOG_NAME, REPORT_NAME, SUMMARY_NAME
from tests.eval_bridge.evaluation.log_examples import DIGEST, MANIFEST, log_of

CONFIG_FILE = "configs/ablations.py"


def make_run_dir(tmp_path):
    """A run folder whose demonstrations and tokenizer exist by name."""
    (tmp_path / "demos" / "suite").mkdir(parents=True)
    (tmp_path / "demos" / "suite" / "task_demo.hdf5").write_text("demonstrations")
    best = tmp_path / "rfsq" / "best" / "00000010"
    best.mkdir(parents=True)
    (best / "manifest.json").write_text("{}")
    (best / "metadata.json").write_text("rfsq")
    return tmp_path


def settings(run_dir, *overrides, variant="tiny"):
    fixed = [f"--config.run_dir={run_dir}", f"--config.out={run_dir}/out.json"]
    source = f"{CONFIG_FILE}:{variant}" if variant else CONFIG_FILE
    return to_dataclass(AblationSettings, parse_config(["--config", source, *fixed, *overrides]).to_dict())


def plan(wanted):
    return plan_trials(wanted, read_config)


def two_trials(run_dir, *overrides):
    """Base and another, each with two episodes of one task."""
    return [trial for trial in plan(settings(run_dir, *overrides)) if trial.name in ("base", "no_shift")]


def write_policy(folder, heldout_l1):
    folder.mkdir(parents=True)
    training = {"steps": 20, "best_step": 10, "seconds": 4.0, "device": "H100", "num_devices": 1, "num_processes": 1}
    metrics = {"heldout_l1": heldout_l1, "heldout_steps": 8, "training": training}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "best" / "00000010").mkdir(parents=True)
    (folder / "best" / "00000010" / "metadata.json").write_text(MANIFEST)
    return folder


def write_evaluation(folder, outcomes, suite="point_mass", simulator="point_mass"):
    """An evaluation of one task, "+" and "-" by episode."""
    folder.mkdir(parents=True)
    contents = log_of(
        {0: outcomes}, simulator=simulator, suite=suite, decoder="l1_regression", **{"checkpoint.policy": DIGEST}
    )
    with EpisodeLog(folder / LOG_NAME, contents.identity) as log:
        for record in (*contents.sessions, *contents.episodes.values()):
            log.append(record)
    write_summary(folder / SUMMARY_NAME, summarise(contents, len(outcomes)))
    (folder / REPORT_NAME).touch()
    return folder
