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

Other people's policies, behind a server or installed; results are in ``runs/policies/NAME/evaluation/``:

    python -m launch.evaluate --config configs/libero_eval.py --config.policy=ws://HOST:PORT
"""

import functools
import sys
from collections.abc import Sequence

from ml_collections import ConfigDict
from tqdm import tqdm

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.chosen_policy import chosen_policy
from eval_bridge.evaluation.episode_log import EpisodeLog
from eval_bridge.evaluation.folder import evaluation_identity
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.preparation import EvaluationStopped
from eval_bridge.evaluation.records import EpisodeRecord, ErrorRecord
from eval_bridge.evaluation.session import run_evaluation
from eval_bridge.evaluation.settings import EvaluationSettings
from eval_bridge.evaluation.summary import Summary, describe, write_summary
from eval_bridge.preflight.needed_requirements import require_at_once
from eval_bridge.preflight.stage_needs import evaluation_needs
from eval_bridge.report.evaluation.writing import write_evaluation_report
from eval_bridge.simulators.check_result import SelfCheckFailed
from eval_bridge.simulators.libero.quiet_import import prepare_process
from eval_bridge.simulators.libero.renderer import RendererNotFound
from launch.config_flags import run
from rsd_jax.distributed.compiled_programs import keep_compiled_programs
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import LOG_NAME, REPORT_NAME, SUMMARY_NAME

EXPECTED_ERRORS = (ValueError, OSError, SelfCheckFailed, EvaluationStopped, RendererNotFound)


def evaluate(config: ConfigDict) -> Summary:
    """Runs the evaluation that `config` describes, as far as it has not been run, and writes summary and report.

    Raises:
        ValueError: a value of `config` is impossible, a checkpoint is missing or damaged, or the output folder holds
            another evaluation.
        RequirementsNotMet: a package of the simulator is missing, or the disk is too full; the message says which.
        SelfCheckFailed: the installed simulator is not the one that the results would be about.
        EvaluationStopped: a scene could not be built.
        OSError: the run folder cannot be written, or is full; or the policy's server cannot be reached.
    """
    settings = to_dataclass(EvaluationSettings, config.to_dict()).with_fitted_settings()
    make_benchmark = functools.partial(get_benchmark, settings.simulator, settings.suite)
    benchmark = make_benchmark()
    plan = settings.plan(benchmark)
    require_at_once([evaluation_needs(settings, plan)])
    if missing := [str(folder) for folder in settings.compared if not (folder / LOG_NAME).is_file()]:
        raise ValueError(f"compare_with names {', '.join(missing)}, which hold no evaluation; run them first")
    if settings.simulator.startswith("libero"):
        # Here, once, where a missing renderer is an error of the command and not of a worker.
        prepare_process(rendering=True, render_devices=settings.render_devices)
    output = settings.output_folder
    with chosen_policy(settings) as (policy, names):
        identity = evaluation_identity(
            benchmark,
            names,
            seed=settings.seed,
            policy_batch=policy.batch_size,
            timing=settings.timing.identity,
            perturbation=plan.perturbation,
        )
        with EpisodeLog(output / LOG_NAME, identity) as log:
            with _Progress(plan.episodes, log) as progress:
                summary = run_evaluation(make_benchmark, policy, plan, log, progress.show, settings.worker_settings)
            write_summary(output / SUMMARY_NAME, summary)
    write_evaluation_report(output, summary, plan.episodes, settings.compared, config.to_dict())
    return summary


def main(config: ConfigDict) -> None:
    """Evaluates, prints the result, and exits with 1 when episodes remain without a result."""
    keep_compiled_programs()
    summary = evaluate(config)
    output = to_dataclass(EvaluationSettings, config.to_dict()).output_folder
    print(describe(summary, output / REPORT_NAME))
    if summary.errors:
        sys.exit(
            f"error: {summary.errors} episodes crashed {config.max_attempts} times or more; their tracebacks are in "
            f"{REPORT_NAME} and {LOG_NAME}. The same command tries them again."
        )


class _Progress:
    """A progress bar over all planned episodes, with the successes so far."""

    def __init__(self, planned: Sequence[EpisodeId], log: EpisodeLog) -> None:
        episodes = log.contents.restricted_to(planned).episodes.values()
        self._done, self._successes = len(episodes), sum(record.rollout.success for record in episodes)
        self._bar = tqdm(total=len(planned), initial=self._done, desc="evaluate", unit="episode")
        self._show_successes()

    def show(self, record: EpisodeRecord | ErrorRecord) -> None:
        """Counts an episode; a crash is told, not counted."""
        if isinstance(record, ErrorRecord):
            place = f"task {record.task_index}, episode {record.episode}"
            self._bar.write(f"{place} crashed (attempt {record.attempt}): {record.error}")
            return
        self._done += 1
        self._successes += record.rollout.success
        self._bar.update()
        self._show_successes()

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def _show_successes(self) -> None:
        self._bar.set_postfix_str(f"{self._successes}/{self._done} succeeded")


if __name__ == "__main__":
    run(main, default="configs/libero_eval.py", expected=EXPECTED_ERRORS)
