r"""Evaluates a trained policy in simulation.

    python -m launch.evaluate --config configs/libero_eval.py:pretrained
    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=runs/NAME --config.tasks=0,1 \
        --config.decoder=autoregressive --config.output=evaluation_autoregressive

Without a run the checkpoint that ships with the project acts. Results are in ``RUN_DIR/evaluation/``, without a run in
``runs/pretrained/evaluation/``. Run again after an interruption it goes on where it stopped. The exit status is
1 when an episode could not be run to its end.

On several hosts, each runs a part, and any of them puts the parts together:

    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=runs/NAME --config.shard=0/4
    python -m launch.merge_evaluations --config.run_dir=runs/NAME
"""

import functools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.comparison import compare_folders
from eval_bridge.evaluation.episode_log import (
    CHECKPOINT,
    LOG_NAME,
    EpisodeLog,
    EpisodeRecord,
    ErrorRecord,
    read_episode_log,
)
from eval_bridge.evaluation.plan import Benchmark, EpisodeId, EvaluationPlan, Shard, plan_evaluation
from eval_bridge.evaluation.session import EvaluationStopped, WorkerSettings, run_evaluation
from eval_bridge.evaluation.summary import Summary, write_summary
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.interface import DECODER_STAGES, Policy, check_decoder
from eval_bridge.provenance import checkpoint_digests, simulator_versions
from eval_bridge.report.evaluation.page import write_report
from eval_bridge.simulators.check_result import SelfCheckFailed
from eval_bridge.simulators.libero.renderer import RendererNotFound, choose_renderer
from launch.config_flags import run
from rsd_jax.atomic_files import write_atomically
from rsd_jax.pretrained import PRETRAINED

SUMMARY_NAME, REPORT_NAME, COMPARISONS_NAME = "summary.json", "report.html", "comparisons.json"
SHARD_FOLDER = "shards"
PRETRAINED_RESULTS = "runs/pretrained"
EXPECTED_ERRORS = (ValueError, OSError, SelfCheckFailed, EvaluationStopped, RendererNotFound)
WORKERS_PER_CORE = 1


def evaluate(config: ConfigDict) -> Summary:
    """Runs the evaluation that `config` describes, as far as it has not been run, and writes summary and report.

    Raises:
        ValueError: a value of `config` is impossible, a checkpoint is missing or damaged, or the output folder holds
            another evaluation.
        SelfCheckFailed: the installed simulator is not the one that the results would be about.
        EvaluationStopped: a scene could not be built.
        OSError: the run folder cannot be written, or is full.
    """
    decoder = check_decoder(config.decoder)
    make_benchmark = functools.partial(get_benchmark, config.simulator, config.suite)
    benchmark = make_benchmark()
    shard = Shard.parse(config.shard)
    plan = plan_evaluation(
        benchmark,
        EvaluationPlan(
            task_indices=tuple(config.tasks),
            episodes_per_task=config.episodes_per_task,
            seed=config.seed,
            max_attempts=config.max_attempts,
            videos_per_task=config.video.per_task,
            video_stride=config.video.stride,
            latency_repeats=config.latency_repeats,
            shard=shard,
        ),
    )
    checkpoints, run_dir = checkpoint_folder(config), results_folder(config)
    batch_size = config.policy_batch or default_policy_batch()
    policy = CompiledPolicy.load(checkpoints, decoder=decoder, batch_size=batch_size)
    output = output_folder(run_dir, config.output, shard)
    workers = WorkerSettings(
        count=config.workers or len(os.sched_getaffinity(0)) * WORKERS_PER_CORE,
        silence_limit=config.silence_limit,
        environments=[{"MUJOCO_EGL_DEVICE_ID": str(device)} for device in config.render_devices] or [{}],
    )
    if config.simulator.startswith("libero"):
        choose_renderer()  # here, once, where a missing one is an error of the command and not of a worker
    with EpisodeLog(output / LOG_NAME, _identity(config, benchmark, checkpoints, policy)) as log:
        with _Progress(len(plan.episodes), log) as progress:
            summary = run_evaluation(make_benchmark, policy, plan, log, progress.show, workers)
        write_summary(output / SUMMARY_NAME, summary)
    write_evaluation_report(output, summary, plan.episodes, [run_dir / name for name in config.compare_with], config)
    return summary


def write_evaluation_report(
    output: Path, summary: Summary, episodes: Sequence[EpisodeId], compare_with: Sequence[Path], config: ConfigDict
) -> None:
    """Writes the report of what the log in `output` holds of `episodes`, beside other evaluations of the same starts.

    The comparisons that stand in the report are also written as JSON; without any there is no such file.

    Raises:
        ComparisonError: another evaluation is missing, or of other episodes.
        OSError: the report cannot be written.
    """
    log = read_episode_log(output / LOG_NAME).restricted_to(episodes)
    comparisons = [compare_folders(other, output) for other in compare_with]
    (output / COMPARISONS_NAME).unlink(missing_ok=True)  # until the report says the same
    write_report(output / REPORT_NAME, summary, log, config.to_dict(), comparisons)
    if comparisons:
        contents = json.dumps([comparison.to_json() for comparison in comparisons], indent=1, allow_nan=False)
        write_atomically(output / COMPARISONS_NAME, contents + "\n")


def default_policy_batch() -> int:
    """Rows of a call of the policy: on a CPU a row more is a call more, an accelerator computes 32 as fast as one."""
    return 1 if jax.default_backend() == "cpu" else 32


def checkpoint_folder(config: ConfigDict) -> Path:
    """The run whose checkpoints act; the project's own where the configuration names none."""
    return Path(config.run_dir) if config.run_dir else PRETRAINED


def results_folder(config: ConfigDict) -> Path:
    """The run's folder, in which an evaluation gets one of its own; not where the project lies."""
    return Path(config.run_dir or PRETRAINED_RESULTS)


def output_folder(run_dir: Path, output: str, shard: Shard) -> Path:
    """Where the results of a shard go; the only one has the folder to itself."""
    folder = run_dir / output
    return folder if shard.parts == 1 else folder / SHARD_FOLDER / f"{shard.part}_of_{shard.parts}"


def describe(summary: Summary, output: Path) -> str:
    """The result, a line for each fact."""
    low, high = summary.success_interval
    rate = "no result" if summary.success_rate is None else f"{summary.success_rate:.1%}"
    lines = [
        f"success     {summary.successes}/{summary.episodes} = {rate} (95 % interval {low:.1%} to {high:.1%})",
        f"errors      {summary.errors} episodes without result, {summary.crashed_attempts} crashed attempts",
    ]
    if summary.token_acceptance is not None:
        lines.append(
            f"acceptance  {summary.token_acceptance:.1%} of the draft's tokens, {summary.rounds_mean:.2f} rounds"
        )
    if "chunk" in summary.latency_ms:
        chunk = summary.latency_ms["chunk"]
        lines.append(f"chunk       p50 {chunk.p50:.1f} ms, p90 {chunk.p90:.1f} ms, p99 {chunk.p99:.1f} ms")
    return "\n".join([*lines, f"report      {output / REPORT_NAME}"])


def main(config: ConfigDict) -> None:
    """Evaluates, prints the result, and exits with 1 when episodes remain without a result."""
    try:
        summary = evaluate(config)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where this one stopped")
    print(describe(summary, output_folder(results_folder(config), config.output, Shard.parse(config.shard))))
    if summary.errors:
        sys.exit(
            f"error: {summary.errors} episodes crashed {config.max_attempts} times or more; their tracebacks are in "
            f"{REPORT_NAME} and {LOG_NAME}. The same command tries them again."
        )


class _Progress:
    """A progress bar over all planned episodes, with the successes so far."""

    def __init__(self, planned: int, log: EpisodeLog) -> None:
        episodes = log.contents.episodes.values()
        self._done, self._successes = len(episodes), sum(record.success for record in episodes)
        self._bar = tqdm(total=planned, initial=self._done, desc="evaluate", unit="episode")
        self._show_successes()

    def show(self, record: EpisodeRecord | ErrorRecord) -> None:
        """Counts an episode; a crash is told, not counted."""
        if isinstance(record, ErrorRecord):
            place = f"task {record.task_index}, episode {record.episode}"
            self._bar.write(f"{place} crashed (attempt {record.attempt}): {record.error}")
            return
        self._done += 1
        self._successes += record.success
        self._bar.update()
        self._show_successes()

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def _show_successes(self) -> None:
        self._bar.set_postfix_str(f"{self._successes}/{self._done} succeeded")


def _identity(config: ConfigDict, benchmark: Benchmark, checkpoints: Path, policy: Policy) -> dict[str, Any]:
    """What two episodes must have in common to be counted together."""
    digests = checkpoint_digests(checkpoints, DECODER_STAGES[config.decoder])
    identity: dict[str, Any] = {
        "simulator": benchmark.simulator,
        "suite": benchmark.suite,
        "step_limit": benchmark.step_limit,
        "decoder": config.decoder,
        "seed": config.seed,
        # Sums of another batch shape may differ in their last bits, and an episode with them.
        "policy_batch": policy.batch_size,
    }
    identity |= {f"{CHECKPOINT}{stage}": digest for stage, digest in digests.items()}
    if benchmark.simulator.startswith("libero"):
        identity |= {f"version.{name}": version for name, version in simulator_versions().items()}
    return identity


if __name__ == "__main__":
    run(main, default="configs/libero_eval.py", expected=EXPECTED_ERRORS)
