r"""Times a cascade and the full decoder side by side, on the observations of whole episodes.

    python -m launch.time_cascade --run_dir RUN --settings "rule=confidence threshold=0.1" --out cascade_time.json

Runs the first episodes of every task by the cascade, and after each shows what was seen to both policies in turns, at
batch 1. Nothing else should run on the machine. Tells the mean chunk of each, and the share of calls that skipped the
main backbone. `launch.record_cascade` puts it beside the evaluation by the same settings.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.replay_timing import ReplayTimes, summarise_replay, time_replay, watch_episode
from eval_bridge.policies.cascade import CASCADE
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.decoders import DECODERS, read_decoder
from eval_bridge.policies.early_exit import EARLY_EXIT
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.provenance import package_versions
from eval_bridge.simulators.libero.quiet_import import prepare_process
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.provenance import device_name, git_commit

SEED = 7
"""Of `configs/libero_eval.py`."""


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.time_cascade", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--run_dir", type=path_argument, required=True, help="the run whose checkpoints act")
    parser.add_argument("--decoder", choices=(CASCADE, EARLY_EXIT), default=CASCADE, help="which kind of cascade")
    parser.add_argument("--settings", default="", help="of the cascade, NAME=VALUE separated by blanks")
    parser.add_argument("--full", choices=tuple(DECODERS.kinds), default="fixed_point", help="what it is timed beside")
    parser.add_argument("--simulator", default="libero", help="as in configs/libero_eval.py")
    parser.add_argument("--suite", default="libero_spatial")
    parser.add_argument("--episodes_per_task", type=int, default=5)
    parser.add_argument("--out", type=path_argument, metavar="FILE.json", help="where the figures go")
    options = parser.parse_args(arguments)
    if options.episodes_per_task < 1:
        raise ValueError(f"--episodes_per_task={options.episodes_per_task} must be at least 1")
    result = time_cascade(options)
    if options.out is not None:
        write_json(options.out, result)
    print(describe(result))


def time_cascade(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the episodes, shows them again, and gives the figures of both policies."""
    benchmark = get_benchmark(options.simulator, options.suite)
    if options.simulator.startswith("libero"):
        prepare_process(rendering=True)
    decoders = (read_decoder(options.decoder, options.settings), read_decoder(options.full))
    policies = {
        "cascade": CompiledPolicy.load(options.run_dir, options.decoder, settings=options.settings),
        "full": CompiledPolicy.load(options.run_dir, options.full),
    }
    times: dict[str, list[ReplayTimes]] = {name: [] for name in policies}
    successes = calls = skipped = 0
    total = len(benchmark.tasks) * options.episodes_per_task
    with tqdm(total=total, desc="episodes", unit="episode") as bar:
        for task in range(len(benchmark.tasks)):
            simulator = benchmark.build(task)
            for episode in range(options.episodes_per_task):
                key = episode_key(SEED, task, episode)
                start = benchmark.start(simulator, task, episode)
                watched = watch_episode(simulator, policies["cascade"], start, benchmark.step_limit, key)
                if not times["full"]:  # compiles
                    time_replay(policies, watched.observations[:1], key)
                for name, each in time_replay(policies, watched.observations, key).items():
                    times[name].append(each)
                successes += watched.rollout.success
                calls += len(watched.rollout.rounds)
                skipped += watched.rollout.skipped
                bar.update()
            simulator.close()
    cascade, full = (summarise_replay(times[name]) for name in ("cascade", "full"))
    stages = sorted({stage for decoder in decoders for stage in decoder.stages})
    return {
        "decoder": options.decoder,
        "settings": options.settings,
        "full_decoder": options.full,
        "simulator": options.simulator,
        "suite": options.suite,
        "successes": successes,
        "skipped_in_episodes": skipped / calls,
        "cascade": cascade,
        "full": full,
        "full_over_cascade": full["chunk_ms_mean"] / cascade["chunk_ms_mean"],
        "checkpoints": checkpoint_digests(options.run_dir, stages),
        "device": device_name(),
        "versions": package_versions(),
        "commit": git_commit(),
    }


def describe(result: dict[str, Any]) -> str:
    """The figures for a terminal."""
    cascade, full = result["cascade"], result["full"]
    of_full, of_cascade = full["chunk_ms_mean"], cascade["chunk_ms_mean"]
    return (
        f"mean chunk  {of_full:.2f} ms by {result['full_decoder']}, {of_cascade:.2f} ms by the cascade: "
        f"{result['full_over_cascade']:.2f} times as fast\n"
        f"skipped     {cascade['skipped']:.1%} of {cascade['calls']} calls in {cascade['episodes']} episodes, "
        f"{result['successes']} of them successes; {result['device']}"
    )


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
