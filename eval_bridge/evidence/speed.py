"""How fast a run was collected and evaluated, read from its folder."""

from pathlib import Path
from typing import Any

from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.runs.run_record import read_collections
from eval_bridge.simulators.libero.suites import SETTLE_STEPS
from rsd_jax.run_folder import LOG_NAME


def describe_collection(run_dir: Path, seconds: float) -> dict[str, Any]:
    """What was collected, and at which rate of recorded steps."""
    summaries = read_collections(run_dir)
    steps = sum(attempt["steps"] for summary in summaries for attempt in summary["attempts"])
    return {
        "demonstrations": sum(summary["successes"] for summary in summaries),
        "attempts": sum(summary["attempts_made"] for summary in summaries),
        "tasks": len(summaries),
        "steps": steps,
        "seconds": seconds,
        "steps_per_s": round(steps / seconds, 1),
        "commit": summaries[0]["commit"],
    }


def describe_evaluation(folder: Path, seconds: float, simulator_rate: float) -> dict[str, Any]:
    """How fast episodes ran, beside the best rate of the simulator alone.

    `steps_per_s` counts actions of the policy from the first episode's start to the last one's end; `share` is that
    over the simulator's rate. `with_settling` also counts the steps in which objects settle, which the simulator
    takes as well.
    """
    log = read_episode_log(folder / LOG_NAME)
    (speed,) = log.speeds
    settling = SETTLE_STEPS * speed.episodes
    rate, rate_with_settling = speed.steps / speed.seconds, (speed.steps + settling) / speed.seconds
    return {
        "episodes": speed.episodes,
        "successes": sum(record.rollout.success for record in log.episodes.values()),
        "seconds": seconds,
        "seconds_of_episodes": speed.seconds,
        "workers": speed.workers,
        "steps": speed.steps,
        "steps_per_s": round(rate, 1),
        "simulator_steps_per_s": simulator_rate,
        "share": round(rate / simulator_rate, 3),
        "share_with_settling": round(rate_with_settling / simulator_rate, 3),
        "decoder": (log.identity or {})["decoder"],
        "commit": log.sessions[-1].commit,
    }
