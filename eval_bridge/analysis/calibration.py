"""A cascade's threshold, fitted to a risk on watched episodes, and the risk that it met on others.

The risk of a threshold is the share of an episode's calls at which the draft acts and lies further than epsilon from
the main model's chunk of that frame (`rsd_jax.decoding.skip_rules.draft_distance`). The fitted threshold bounds its
expectation by alpha (`control_risk`).
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from eval_bridge.analysis.cascade_replay import (
    Decisions,
    WatchedCalls,
    decisions_made,
    replay,
    watched_calls,
    with_true_distances,
)
from eval_bridge.analysis.watched_episodes import WatchedEpisodes, require_other_episodes
from eval_bridge.policies.acting_settings import acting_settings, longest_run_of, rule_name
from eval_bridge.policies.cascade import CASCADE, RULES, make_skip_rule
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.statistics.risk_control import ControlledRisk, control_risk, mean_interval, require_risk
from rsd_jax.decoding.skip_rules import SkipRule
from rsd_jax.rfsq import RfsqTokenizer

THRESHOLDS = tuple(float(value) for value in np.round(np.geomspace(0.01, 2.0, 60), 4))
"""From next to nothing to all that may act."""


@dataclass(frozen=True)
class CalibrationSettings:
    """What is fitted, and to which risk.

    Attributes:
        rule: one of `RULES`; what is fitted is its threshold, or of agreement its tolerance.
        tolerance: of the rule "both", in half-ranges.
        longest_run, coarse_layers: of the cascade, which must have been watched with them; None takes over what it was
            watched with.
        alpha: risk that is allowed. epsilon: half-ranges beyond which a draft is far.

    Raises:
        ValueError: on construction, if there is no such rule, `epsilon` is not above 0 or `alpha` not between 0 and 1.
    """

    rule: str
    tolerance: float = 0.2
    longest_run: int | None = None
    coarse_layers: int | None = None
    alpha: float = 0.05
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule={self.rule!r} must be one of {', '.join(RULES)}.")
        if not self.epsilon > 0:
            raise ValueError(f"epsilon={self.epsilon} must be above 0, a distance in half-ranges.")
        require_risk(self.alpha)


def calibrate(
    watched: WatchedEpisodes, settings: CalibrationSettings, run_dir: Path, tokenizer: RfsqTokenizer
) -> dict[str, Any]:
    """Fits the threshold.

    The result is JSON-serialisable: ``curve`` has the figures of every threshold, ``fitted_on`` those of the chosen
    one; ``threshold`` is None where even the strictest breaks the bound. ``oracle`` has those of a rule that knew
    every distance, its threshold fitted alike: what is lacking to it, better telling could win, the rest a nearer
    draft.

    Args:
        watched: the episodes to fit on.
        settings: what is asked for.
        run_dir: the run whose checkpoints acted.
        tokenizer: of that run.

    Raises:
        ValueError: the episodes were watched with other settings than are asked for, do not tell what the rule asks
            about, or `alpha` is not between 0 and 1.
    """
    _require_watched_as_asked(watched, settings, run_dir)
    longest_run = longest_run_of(watched.decoder, run_dir)
    calls = watched_calls(watched.shadows, tokenizer, watched.decoder.coarse_layers)

    def decide(calls: WatchedCalls, rule: str) -> Decisions:
        return replay(calls, rule_of(rule, settings.tolerance), THRESHOLDS, longest_run)

    decided = decide(calls, settings.rule)
    fitted, chosen = _fit(decided, watched, settings)
    _, oracle = _fit(decide(with_true_distances(calls), "confidence"), watched, settings)
    curve = [_measured(decided.of_threshold(index), watched, settings.epsilon) for index in range(len(THRESHOLDS))]
    acts = None
    if fitted.threshold is not None:
        acts = acting_settings(_that_acts(watched, settings, fitted.threshold), run_dir)
    return {
        "decoder": watched.decoder.name,
        "rule": settings.rule,
        "settings": None if acts is None else acts.written,
        "tolerance": settings.tolerance if settings.rule == "both" else None,
        "longest_run": longest_run,
        "coarse_layers": watched.decoder.coarse_layers,
        "alpha": settings.alpha,
        "epsilon": settings.epsilon,
        "threshold": fitted.threshold,
        "bound": fitted.bound,
        **{name: watched.identity[name] for name in ("simulator", "suite", "step_limit")},
        "checkpoints": dict(watched.checkpoints),
        "fitted_on": None if chosen is None else _with_episodes(chosen, watched, settings.epsilon),
        "checked_on": None,
        "oracle": None if oracle is None else _measured(oracle, watched, settings.epsilon),
        "curve": [{"threshold": threshold, **row} for threshold, row in zip(THRESHOLDS, curve, strict=True)],
    }


def check(
    calibration: dict[str, Any],
    watched: WatchedEpisodes,
    checked: WatchedEpisodes,
    run_dir: Path,
    tokenizer: RfsqTokenizer,
) -> dict[str, Any]:
    """`calibration` with the figures that its threshold met on other episodes, as ``checked_on``.

    Args:
        calibration: of `calibrate`, with a threshold.
        watched: what it was fitted on.
        checked: other episodes, run by that threshold.
        run_dir: the run whose checkpoints acted.
        tokenizer: of that run.

    Raises:
        ValueError: there is no threshold, or `checked` was run by another rule or threshold, or has episodes that it
            was fitted on.
    """
    asked = calibration["settings"]
    if asked is None:
        raise ValueError(f"{checked.folder} cannot have been run by the fitted threshold: none could be fitted")
    acted = acting_settings(checked.decoder, run_dir)
    if (acted.decoder, acted.written) != (calibration["decoder"], asked):
        raise ValueError(
            f"{checked.folder} was run by {acted.decoder} with {acted.written}, and fitted is "
            f"{calibration['decoder']} with {asked}: evaluate other episodes with "
            f'--config.decoder_settings="shadow=true {asked}"'
        )
    require_other_episodes(watched, checked)
    calls = watched_calls(checked.shadows, tokenizer, checked.decoder.coarse_layers)
    return calibration | {"checked_on": _with_episodes(decisions_made(calls), checked, calibration["epsilon"])}


def rule_of(name: str, tolerance: float) -> Callable[[jax.Array], SkipRule]:
    """The rule called `name` of the number that is fitted: its threshold, or of agreement its tolerance."""
    return lambda fitted: make_skip_rule(name, tolerance if name == "both" else fitted, fitted)


def watched_rule_name(watched: WatchedEpisodes, rule: str) -> str:
    """What a calibration of `rule` on these episodes is kept under (`rule_name`)."""
    return rule_name(dataclasses.replace(watched.decoder, rule=rule))


def _fit(
    decided: Decisions, watched: WatchedEpisodes, settings: CalibrationSettings
) -> tuple[ControlledRisk, Decisions | None]:
    """The fitted one of `THRESHOLDS`, and what it decides; None where even the strictest breaks the bound."""
    fitted = control_risk(THRESHOLDS, decided.losses(watched.calls, settings.epsilon), settings.alpha)
    chosen = None if fitted.threshold is None else decided.of_threshold(THRESHOLDS.index(fitted.threshold))
    return fitted, chosen


def _that_acts(watched: WatchedEpisodes, settings: CalibrationSettings, fitted: float) -> CascadeDecoder:
    """The watched decoder by the fitted rule."""
    rule = make_skip_rule(settings.rule, settings.tolerance if settings.rule == "both" else fitted, fitted)
    return dataclasses.replace(watched.decoder, rule=settings.rule, **vars(rule))


def _require_watched_as_asked(watched: WatchedEpisodes, settings: CalibrationSettings, run_dir: Path) -> None:
    has = {"longest_run": longest_run_of(watched.decoder, run_dir), "coarse_layers": watched.decoder.coarse_layers}
    for name, value in has.items():
        asked = getattr(settings, name)
        if asked not in (None, value):
            raise ValueError(
                f"{name}={asked} is asked for, and {watched.folder} was run with {name}={value}: leave it out, or "
                f'watch episodes with --config.decoder_settings="shadow=true {name}={asked} ..."'
            )
    dataclasses.replace(watched.decoder, rule=settings.rule)  # an early exit has one rule
    if watched.decoder.name == CASCADE and settings.rule != "agreement" and "confidence" not in watched.checkpoints:
        raise ValueError(
            f"rule={settings.rule} asks the draft policy's confidence, and {watched.folder} was run with "
            f"rule={watched.decoder.rule}, whose log does not say which one spoke: watch episodes with "
            '--config.decoder_settings="shadow=true rule=confidence threshold=0.1"'
        )


def _measured(decisions: Decisions, watched: WatchedEpisodes, epsilon: float) -> dict[str, Any]:
    calls, losses = watched.calls, decisions.losses(watched.calls, epsilon)
    skipped = int(decisions.skipped.sum())
    far = int((decisions.skipped & (decisions.distance > epsilon)).sum())
    return {
        "episodes": len(calls),
        "calls": int(calls.sum()),
        "skipped": skipped / int(calls.sum()),
        "risk": float(losses.mean()),
        "risk_interval": list(mean_interval(losses)),
        "far_of_skipped": far / skipped if skipped else 0.0,
    }


def _with_episodes(decisions: Decisions, watched: WatchedEpisodes, epsilon: float) -> dict[str, Any]:
    """The figures, and beside them the counts of every episode, from which they can be computed again."""
    far = decisions.skipped & (decisions.distance > epsilon)
    counts = {"calls": watched.calls, "skipped": decisions.skipped.sum(axis=-1), "far": far.sum(axis=-1)}
    return {
        "folder": watched.folder.name,
        **_measured(decisions, watched, epsilon),
        "by_episode": {
            "task": [task for task, _ in watched.episodes],
            "episode": [episode for _, episode in watched.episodes],
            **{name: [int(count) for count in values] for name, values in counts.items()},
        },
    }
