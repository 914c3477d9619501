"""An evaluation as a stage: which starts, its command, and whether it is there."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.evaluation.execution_settings import TIMING, ExecutionSettings
from eval_bridge.evaluation.folder import PERTURBATION, checkpoint_folder, results_folder
from eval_bridge.evaluation.plan import EpisodeId, EvaluationPlan, plan_evaluation
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.checkpoints.errors import MissingCheckpointError
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import LOG_NAME, REPORT_NAME, SUMMARY_NAME

EVALUATION_CONFIG = "configs/libero_eval.py"

BLOCKING = ExecutionSettings()
"""The clock stands still while the policy computes."""


@dataclass(frozen=True)
class Starts:
    """Where the episodes of an evaluation begin, and who runs them.

    Attributes:
        simulator: name of the simulator. suite: name of the suite.
        tasks: indices of the tasks; () means all.
        episodes_per_task: starts of each.
        workers: processes with a simulator each; 0 means one per core.
    """

    simulator: str
    suite: str
    tasks: tuple[int, ...]
    episodes_per_task: int
    workers: int

    def episodes(self) -> tuple[EpisodeId, ...]:
        """The starts.

        Raises:
            ValueError: a suite or a task does not exist, or a number is out of range.
        """
        benchmark = get_benchmark(self.simulator, self.suite)
        return plan_evaluation(benchmark, EvaluationPlan(self.tasks, self.episodes_per_task, seed=0)).episodes


def evaluation_stage(
    starts: Starts,
    run_dir: Path | str,
    output: str,
    decoder: str,
    settings: str = "",
    timing: ExecutionSettings = BLOCKING,
) -> PipelineStage:
    """The evaluation of a run by one decoder, with its command.

    Args:
        starts: of the episodes.
        run_dir: folder of the run; empty for the checkpoint that ships with the project.
        output: folder inside it, and the stage's name.
        decoder: its name. settings: of it, as configurations write them (`read_decoder`).
        timing: how chunks are executed and how long calls take.

    Raises:
        ValueError: a decoder, a setting, a suite or a task does not exist, or the decoder cannot act so.
    """
    made = read_decoder(decoder, settings)
    timing.check(made, parts=1)
    values: dict[str, Any] = asdict(starts) | {
        "tasks": f"({''.join(f'{task},' for task in starts.tasks)})",
        "output": output,
        "decoder": decoder,
        **({"decoder_settings": settings} if settings else {}),
        **({} if timing == BLOCKING else asdict(timing)),
        "video.per_task": 0,
        "latency_repeats": 0,
    }
    command = [sys.executable, "-m", "launch.evaluate", "--config", EVALUATION_CONFIG, f"--config.run_dir={run_dir}"]
    return PipelineStage(
        output,
        results_folder(str(run_dir)) / output,
        # Beside a training, which takes most of a GPU's memory at once.
        [
            *("env", "XLA_PYTHON_CLIENT_PREALLOCATE=false", *command),
            *(f"--config.{key}={value}" for key, value in values.items()),
        ],
        partial(
            _holds_evaluation,
            of=starts,
            checkpoints=checkpoint_folder(str(run_dir)),
            decoder=made,
            settings=settings,
            episodes=starts.episodes(),
            timing=timing.identity,
        ),
    )


def _holds_evaluation(
    output: Path,
    of: Starts,
    checkpoints: Path,
    decoder: Decoder,
    settings: str,
    episodes: Sequence[EpisodeId],
    timing: Mapping[str, Any],
) -> bool:
    """Whether all of `episodes` have a result of these checkpoints, executed so, and the report is written."""
    if not (output / SUMMARY_NAME).is_file() or not (output / REPORT_NAME).is_file():
        return False
    try:
        acting = checkpoint_digests(checkpoints, decoder.stages)
    except MissingCheckpointError:
        return False
    summary = read_checked_json(output / SUMMARY_NAME)
    tasks = {task["task_index"] for task in summary["per_task"]}
    log = read_episode_log(output / LOG_NAME)
    identity = log.identity or {}
    return bool(
        (summary["simulator"], summary["suite"], summary["decoder"]) == (of.simulator, of.suite, decoder.name)
        and summary["episodes"] == summary["planned"] == len(episodes)
        and tasks == {episode.task_index for episode in episodes}
        and acting.items() <= log.checkpoints.items()
        and identity.get("decoder_settings", "") == " ".join(sorted(settings.split()))
        and {name: identity[name] for name in TIMING if name in identity} == timing
        and PERTURBATION not in identity
    )
