r"""Fits a cascade's threshold to a risk, and checks it, on watched development episodes.

    python -m launch.evaluate --config configs/libero_eval.py --config.run_dir=RUN --config.decoder=cascade \
        --config.simulator=libero_development --config.episodes_per_task=10 --config.output=watched \
        --config.decoder_settings="shadow=true rule=confidence threshold=0.1"
    python -m launch.calibrate --run_dir RUN --watched RUN/watched --rule confidence --alpha 0.05 --epsilon 0.1

The risk of a threshold is the share of an episode's calls at which the draft policy acts and lies further than epsilon
from the main model's chunk of that frame. The fitted threshold bounds its expectation by alpha (conformal risk
control); ``RUN/calibrations/RULE_alpha0.05_epsilon0.1.json`` keeps it. With ``--checked FOLDER``, of other episodes
that were run by the fitted threshold and watched, the risk that was met is told and kept beside it.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from eval_bridge.analysis.calibration import CalibrationSettings, calibrate, check, watched_rule_name
from eval_bridge.analysis.watched_episodes import read_watched
from eval_bridge.policies.cascade import RULES
from eval_bridge.report.markdown import markdown_table
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints import CheckpointError
from rsd_jax.provenance import git_commit
from rsd_jax.run_folder import calibration_path
from rsd_jax.stored_models import load_tokenizer

SHOWN = 12
"""Rows of the printed table."""


def main(arguments: Sequence[str]) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m launch.calibrate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run_dir", type=path_argument, required=True, help="the run whose cascade was watched")
    parser.add_argument("--watched", type=path_argument, required=True, help="folder of the watched evaluation")
    parser.add_argument("--checked", type=path_argument, help="of other episodes, run by the fitted threshold")
    parser.add_argument("--rule", choices=RULES, help="what is fitted: its threshold, or of agreement its tolerance; "
                        "left out, the one that was watched")  # fmt: skip
    parser.add_argument("--tolerance", type=float, default=0.2, help="of the rule 'both', in half-ranges")
    parser.add_argument("--longest_run", type=int, help="calls in a row without a look, at most; as was watched")
    parser.add_argument("--coarse_layers", type=int, help="layers that agreement is measured after; as was watched")
    parser.add_argument("--alpha", type=float, default=0.05, help="risk that is allowed")
    parser.add_argument("--epsilon", type=float, default=0.1, help="half-ranges beyond which a draft is far")
    parser.add_argument("--suite", default="", help="whose calibration it is, where a run has several suites")
    options = parser.parse_args(arguments)
    run_dir = options.run_dir
    watched = read_watched(options.watched, run_dir)
    settings = CalibrationSettings(
        rule=options.rule or watched.decoder.rule,
        tolerance=options.tolerance,
        longest_run=options.longest_run,
        coarse_layers=options.coarse_layers,
        alpha=options.alpha,
        epsilon=options.epsilon,
    )
    tokenizer = load_tokenizer(run_dir)
    result = calibrate(watched, settings, run_dir, tokenizer)
    if options.checked is not None:
        result = check(result, watched, read_watched(options.checked, run_dir), run_dir, tokenizer)
    rule = watched_rule_name(watched, settings.rule)
    kept = calibration_path(run_dir, rule, settings.alpha, settings.epsilon, options.suite)
    kept.parent.mkdir(exist_ok=True)
    write_json(kept, result | {"commit": git_commit()})
    print(f"{_curve(result)}\n\n{describe(result)}\nkept in {kept}")
    return 0 if result["threshold"] is not None else 1


def describe(result: dict[str, Any]) -> str:
    """What was fitted and what was met, for a terminal."""
    if result["threshold"] is None:
        return (
            f"no threshold: even the strictest has a bound of {result['bound']:.3f}, above alpha = {result['alpha']}; "
            "watch more episodes, or allow more"
        )
    lines = [
        f"threshold {result['threshold']:g}, expected risk at most {result['bound']:.3f}",
        f"settings  {result['settings']}",
    ]
    for name, label in (("fitted_on", "fitted on"), ("checked_on", "checked on")):
        if (met := result[name]) is not None:
            low, high = met["risk_interval"]
            lines.append(
                f"{label} {met['episodes']} episodes: skipped {met['skipped']:.1%}, risk {met['risk']:.3f} "
                f"(95 % interval {low:.3f} to {high:.3f}), far of skipped {met['far_of_skipped']:.1%}"
            )
    if (oracle := result["oracle"]) is not None:
        everything = result["curve"][-1]
        lines.append(
            f"at most   {oracle['skipped']:.1%} at that risk by who knew every distance; all drafts that may act are "
            f"{everything['skipped']:.1%}, at risk {everything['risk']:.3f}"
        )
    return "\n".join(lines)


def _curve(result: dict[str, Any]) -> str:
    curve = result["curve"]
    shown = curve[:: max(1, len(curve) // SHOWN)]
    shares = ("skipped", "risk", "far_of_skipped")
    rows = [[f"{row['threshold']:g}", *(f"{row[name]:.1%}" for name in shares)] for row in shown]
    return markdown_table(["threshold", "skipped", "risk", "far of skipped"], rows)


if __name__ == "__main__":
    run_command(lambda: sys.exit(main(sys.argv[1:])), expected=(ValueError, OSError, CheckpointError))
