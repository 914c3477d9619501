"""Evaluations on development starts: where anything may be chosen, since nothing is published on them."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.evaluation.plan import EpisodeId, EvaluationPlan, plan_evaluation
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.checkpoints.errors import MissingCheckpointError
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import LOG_NAME, REPORT_NAME, SUMMARY_NAME

EVALUATION_CONFIG = "configs/libero_eval.py"

SIMULATORS = ("libero_development", "point_mass")
"""Where policies may be chosen: none of these starts in a state that results are published on."""


@dataclass(frozen=True)
class DevelopmentEvaluation:
    """How policies are judged.

    Attributes:
        simulator: one of `SIMULATORS`. suite: name of the suite.
        tasks: indices of the tasks; () means all.
        episodes_per_task: starts of each.
        workers: processes with a simulator each; 0 means one per core.
    """

    simulator: str
    suite: str
    tasks: tuple[int, ...]
    episodes_per_task: int
    workers: int

    def __post_init__(self) -> None:
        """Rejects starts that results are published on."""
        if self.simulator not in SIMULATORS:
            raise ValueError(
                f"evaluation.simulator={self.simulator!r} must be one of {', '.join(SIMULATORS)}: nothing "
                "may be chosen by success on the evaluation states"
            )

    def episodes(self) -> tuple[EpisodeId, ...]:
        """The starts.

        Raises:
            ValueError: a suite or a task does not exist, or a number is out of range.
        """
        benchmark = get_benchmark(self.simulator, self.suite)
        return plan_evaluation(benchmark, EvaluationPlan(self.tasks, self.episodes_per_task, seed=0)).episodes


def evaluation_stage(
    evaluation: DevelopmentEvaluation, folder: Path, output: str, decoder: str, settings: str = ""
) -> PipelineStage:
    """The evaluation of the run in `folder` by one decoder, with its command.

    Args:
        evaluation: on which starts.
        folder: of the run.
        output: folder inside it, and the stage's name.
        decoder: its name. settings: of it, as configurations write them (`read_decoder`).

    Raises:
        ValueError: a decoder, a setting, a suite or a task does not exist.
    """
    made = read_decoder(decoder, settings)
    values: dict[str, Any] = asdict(evaluation) | {
        "tasks": f"({''.join(f'{task},' for task in evaluation.tasks)})",
        "output": output,
        "decoder": decoder,
        **({"decoder_settings": settings} if settings else {}),
        "video.per_task": 0,
        "latency_repeats": 0,
    }
    command = [sys.executable, "-m", "launch.evaluate", "--config", EVALUATION_CONFIG, f"--config.run_dir={folder}"]
    return PipelineStage(
        output,
        folder / output,
        # Beside a training, which takes most of a GPU's memory at once.
        [
            *("env", "XLA_PYTHON_CLIENT_PREALLOCATE=false", *command),
            *(f"--config.{key}={value}" for key, value in values.items()),
        ],
        partial(_holds_evaluation, of=evaluation, decoder=made, settings=settings, episodes=evaluation.episodes()),
    )


def _holds_evaluation(
    output: Path, of: DevelopmentEvaluation, decoder: Decoder, settings: str, episodes: Sequence[EpisodeId]
) -> bool:
    """Whether all of `episodes` have a result of the checkpoints that lie beside them, and the report is written."""
    if not (output / SUMMARY_NAME).is_file() or not (output / REPORT_NAME).is_file():
        return False
    try:
        acting = checkpoint_digests(output.parent, decoder.stages)
    except MissingCheckpointError:
        return False
    summary = read_checked_json(output / SUMMARY_NAME)
    tasks = {task["task_index"] for task in summary["per_task"]}
    log = read_episode_log(output / LOG_NAME)
    return bool(
        (summary["simulator"], summary["suite"], summary["decoder"]) == (of.simulator, of.suite, decoder.name)
        and summary["episodes"] == summary["planned"] == len(episodes)
        and tasks == {episode.task_index for episode in episodes}
        and acting.items() <= log.checkpoints.items()
        and (log.identity or {}).get("decoder_settings", "") == " ".join(sorted(settings.split()))
    )
