r"""Fits a cascade's threshold to a risk, and checks it, on watched development episodes.

    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=RUN --config.decoder=cascade \
        --config.simulator=libero_development --config.episodes_per_task=10 --config.output=watched \
        --config.decoder_settings="shadow=true rule=confidence threshold=0.1"
    python -m launch.calibrate --run_dir RUN --watched RUN/watched --rule confidence --alpha 0.05 --epsilon 0.1

The risk of a threshold is the share of an episode's calls at which the draft policy acts and lies further than epsilon
from the main model's chunk of that frame. The fitted threshold bounds its expectation by alpha (conformal risk
control); ``RUN/calibration.json`` keeps it. With ``--checked FOLDER``, of other episodes that were run by the fitted
threshold and watched, the risk that was met is told beside it.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from eval_bridge.analysis.cascade_replay import Decisions, WatchedCalls, decisions_made, replay, watched_calls
from eval_bridge.episodes.shadow import ShadowError, load_shadow
from eval_bridge.policies.cascade import RULES, make_skip_rule
from eval_bridge.report.markdown import markdown_table
from eval_bridge.statistics.risk_control import control_risk, mean_interval
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json
from rsd_jax.decoding.skip_rules import SkipRule
from rsd_jax.provenance import git_commit
from rsd_jax.run_folder import CALIBRATION_NAME, SHADOW_FOLDER
from rsd_jax.stored_models import load_tokenizer

THRESHOLDS = tuple(float(value) for value in np.round(np.geomspace(0.01, 2.0, 60), 4))
"""From next to nothing to all that may act."""

SHOWN = 12
"""Rows of the printed table."""


def main(arguments: Sequence[str]) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m launch.calibrate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run_dir", type=path_argument, required=True, help="the run whose cascade was watched")
    parser.add_argument("--watched", type=path_argument, required=True, help="folder of the watched evaluation")
    parser.add_argument("--checked", type=path_argument, help="of other episodes, run by the fitted threshold")
    parser.add_argument("--rule", choices=RULES, default="confidence", help="what is fitted: its threshold, or of "
                        "agreement its tolerance")  # fmt: skip
    parser.add_argument("--tolerance", type=float, default=0.2, help="of the rule 'both', in half-ranges")
    parser.add_argument("--longest_run", type=int, default=7, help="calls in a row without a look, at most")
    parser.add_argument("--coarse_layers", type=int, default=3, help="layers that agreement is measured after")
    parser.add_argument("--alpha", type=float, default=0.05, help="risk that is allowed")
    parser.add_argument("--epsilon", type=float, default=0.1, help="half-ranges beyond which a draft is far")
    options = parser.parse_args(arguments)
    try:
        result = calibrate(options)
        write_json(options.run_dir / CALIBRATION_NAME, result)
    except (ValueError, OSError, ShadowError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\n{describe(result)}\nkept in {options.run_dir / CALIBRATION_NAME}")
    return 0 if result["threshold"] is not None else 1


def calibrate(options: argparse.Namespace) -> dict[str, Any]:
    """Fits the threshold, prints the curve, and checks it where that is asked for."""
    tokenizer = load_tokenizer(options.run_dir)

    def read(folder: Path) -> tuple[WatchedCalls, np.ndarray]:
        paths = sorted((folder / SHADOW_FOLDER).glob("*.npz"))
        if not paths:
            raise ValueError(
                f"{folder} holds no {SHADOW_FOLDER}/*.npz: evaluate there with --config.decoder=cascade and "
                '--config.decoder_settings="shadow=true ..."'
            )
        shadows = [load_shadow(path) for path in paths]
        return watched_calls(shadows, tokenizer, options.coarse_layers), np.array(
            [len(each.looked) for each in shadows]
        )

    calls, counts = read(options.watched)
    decided = replay(calls, rule_of(options.rule, options.tolerance), THRESHOLDS, options.longest_run)
    fitted = control_risk(THRESHOLDS, decided.losses(counts, options.epsilon), options.alpha)
    curve = [
        _measured(Decisions(decided.skipped[index], decided.distance[index]), counts, options.epsilon)
        for index in range(len(THRESHOLDS))
    ]
    step = max(1, len(curve) // SHOWN)
    rows = [[f"{threshold:g}", *_shares(row)] for threshold, row in zip(THRESHOLDS, curve, strict=True)][::step]
    print(markdown_table(["threshold", "skipped", "risk", "far of skipped"], rows))
    return {
        "rule": options.rule,
        "tolerance": options.tolerance if options.rule == "both" else None,
        "longest_run": options.longest_run,
        "coarse_layers": options.coarse_layers,
        "alpha": options.alpha,
        "epsilon": options.epsilon,
        "threshold": fitted.threshold,
        "bound": fitted.bound,
        "fitted_on": curve[THRESHOLDS.index(fitted.threshold)] if fitted.threshold is not None else None,
        "checked_on": None if options.checked is None else _checked(*read(options.checked), options.epsilon),
        "curve": [{"threshold": threshold, **row} for threshold, row in zip(THRESHOLDS, curve, strict=True)],
        "commit": git_commit(),
    }


def rule_of(name: str, tolerance: float) -> Callable[[jax.Array], SkipRule]:
    """The rule called `name` of the number that is fitted: its threshold, or of agreement its tolerance."""
    return lambda fitted: make_skip_rule(name, tolerance if name == "both" else fitted, fitted)


def describe(result: dict[str, Any]) -> str:
    """What was fitted and what was met, for a terminal."""
    if result["threshold"] is None:
        return (
            f"no threshold: even the strictest has a bound of {result['bound']:.3f}, above alpha = {result['alpha']}; "
            "watch more episodes, or allow more"
        )
    lines = [f"threshold {result['threshold']:g}, expected risk at most {result['bound']:.3f}"]
    for name, label in (("fitted_on", "fitted on"), ("checked_on", "checked on")):
        if (met := result[name]) is not None:
            low, high = met["risk_interval"]
            lines.append(
                f"{label} {met['episodes']} episodes: skipped {met['skipped']:.1%}, risk {met['risk']:.3f} "
                f"(95 % interval {low:.3f} to {high:.3f}), far of skipped {met['far_of_skipped']:.1%}"
            )
    return "\n".join(lines)


def _checked(calls: WatchedCalls, counts: np.ndarray, epsilon: float) -> dict[str, Any]:
    return _measured(decisions_made(calls), counts, epsilon)


def _measured(decisions: Decisions, counts: np.ndarray, epsilon: float) -> dict[str, Any]:
    losses = decisions.losses(counts, epsilon)
    skipped = int(decisions.skipped.sum())
    far = int((decisions.skipped & (decisions.distance > epsilon)).sum())
    return {
        "episodes": len(counts),
        "calls": int(counts.sum()),
        "skipped": skipped / int(counts.sum()),
        "risk": float(losses.mean()),
        "risk_interval": mean_interval(losses),
        "far_of_skipped": far / skipped if skipped else 0.0,
    }


def _shares(row: dict[str, Any]) -> list[str]:
    return [f"{row[name]:.1%}" for name in ("skipped", "risk", "far_of_skipped")]


if __name__ == "__main__":
    run_command(lambda: sys.exit(main(sys.argv[1:])))
