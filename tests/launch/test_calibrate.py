"""Fitting a threshold to watched episodes, and what is kept of it."""

import json

import numpy as np
import pytest

from eval_bridge.analysis.calibration import THRESHOLDS
from eval_bridge.episodes.shadow import EpisodeShadow, save_shadow
from eval_bridge.episodes.trace import trace_name
from launch import calibrate
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.run_folder import SHADOW_FOLDER
from rsd_jax.stored_models import load_tokenizer
from tests.eval_bridge.analysis.watched_examples import STAGES, write_watched

EPISODES, CALLS = 4, 10
FAR = (7, 8, 9)
"""Calls at which the draft lies far off and says so; at the others it does what the main model does."""

WATCHED = "longest_run=7 rule=confidence shadow=true threshold=0.1"
FITTED = max(value for value in THRESHOLDS if value < 0.5)


@pytest.fixture(scope="module")
def shadow(preflight_run):
    """An episode of a draft policy without memory, whose second call alone was acted on by the draft."""
    tokenizer = load_tokenizer(preflight_run)
    # The miniature tokenizer gives back half of what lies between these chunks, which is far nevertheless.
    motion = np.stack([np.full((8, 7), side) for side in (-0.9, 0.9)])
    actions = np.array(tokenizer.normalizer.center) + motion * np.array(tokenizer.normalizer.half_range)
    actions[..., 6] = -1
    near, far = np.asarray(tokenizer.tokenize(actions.astype(np.float32))).astype(np.int8)
    return EpisodeShadow(
        drafted=np.stack([far if call in FAR else near for call in range(CALLS)])[:, None],
        foreseen=np.tile(near, (CALLS, 2, 1, 1, 1)),
        distance=np.array([0.5 if call in FAR else 0.05 for call in range(CALLS)], np.float32)[:, None],
        looked=np.arange(CALLS) != 1,
    )


@pytest.fixture
def run_dir(preflight_run, tmp_path):
    """A run that may be written to, with watched episodes of the same number of a task."""
    for stage in STAGES:
        (tmp_path / stage).symlink_to(preflight_run / stage)
    return tmp_path


@pytest.fixture
def watch(run_dir, shadow):
    """Makes a watched evaluation of four episodes from the given one on."""

    def make(name, settings=WATCHED, first=0, stages=STAGES, **identity):
        episodes = {(0, first + number): shadow for number in range(EPISODES)}
        return write_watched(run_dir / name, episodes, checkpoint_digests(run_dir, stages), settings, **identity)

    return make


def command(run_dir, watched, *more):
    status = calibrate.main(["--run_dir", str(run_dir), "--watched", str(watched), *more])
    kept = sorted((run_dir / "calibrations").glob("*.json"))
    return status, {path.stem: json.loads(path.read_text()) for path in kept}


def test_a_threshold_is_fitted_and_kept(run_dir, watch, capsys):
    status, kept = command(run_dir, watch("watched"), "--alpha", "0.25", "--epsilon", "0.3")
    assert status == 0
    (found,) = kept.values()
    assert list(kept) == ["confidence_alpha0.25_epsilon0.3"]
    # Whatever is told to be near may act: calls 1 to 6 of each episode. The bound is that of four episodes' no losses.
    assert found["threshold"] == FITTED
    assert found["bound"] == pytest.approx(1 / 5)
    assert (found["decoder"], found["rule"], found["alpha"], found["epsilon"]) == ("cascade", "confidence", 0.25, 0.3)
    assert found["settings"] == f"rule=confidence threshold={FITTED} longest_run=7"
    counts = {"task": [0] * 4, "episode": [0, 1, 2, 3], "calls": [10] * 4, "skipped": [6] * 4, "far": [0] * 4}
    assert found["fitted_on"] == {
        **{"episodes": 4, "calls": 40, "skipped": 0.6, "risk": 0, "risk_interval": [0, 0], "far_of_skipped": 0},
        **{"folder": "watched", "by_episode": counts},
    }
    assert found["oracle"] == {name: value for name, value in found["fitted_on"].items() if name in found["oracle"]}
    # With all that may act calls 7 and 9 do too, both far; call 8 is due after seven calls without a look.
    last = found["curve"][-1]
    assert (last["threshold"], last["skipped"], last["risk"], last["far_of_skipped"]) == (2.0, 0.8, 0.2, 0.25)
    assert [row["threshold"] for row in found["curve"]] == list(THRESHOLDS)
    assert f"threshold {FITTED:g}, expected risk at most 0.200" in capsys.readouterr().out


def test_of_several_suites_each_has_its_own_calibration(run_dir, watch, capsys):
    options = ("--alpha", "0.25", "--epsilon", "0.3")
    _, kept = command(run_dir, watch("watched"), *options, "--suite", "libero_goal")
    assert list(kept) == ["libero_goal_confidence_alpha0.25_epsilon0.3"]


def test_calibrations_lie_beside_each_other_and_one_that_is_made_again_is_checked(run_dir, watch, capsys):
    watched = watch("watched")
    for rule, alpha in (("confidence", "0.25"), ("both", "0.25"), ("confidence", "0.5")):
        _, kept = command(run_dir, watched, "--rule", rule, "--alpha", alpha, "--epsilon", "0.3")
    assert list(kept) == [
        f"{name}_epsilon0.3" for name in ("both_alpha0.25", "confidence_alpha0.25", "confidence_alpha0.5")
    ]
    fitted = kept["confidence_alpha0.25_epsilon0.3"]
    checked = watch("checked", f"shadow=true {fitted['settings']}", first=EPISODES)
    _, kept = command(run_dir, watched, "--alpha", "0.25", "--epsilon", "0.3", "--checked", str(checked))
    found = kept["confidence_alpha0.25_epsilon0.3"]
    assert (found["checked_on"]["skipped"], found["checked_on"]["risk"]) == (0.1, 0)  # call 1 of each, as it was run
    assert found["checked_on"]["by_episode"]["episode"] == [4, 5, 6, 7]
    assert found == fitted | {"checked_on": found["checked_on"]}
    assert "checked on 4 episodes: skipped 10.0%, risk 0.000" in capsys.readouterr().out


def test_a_check_by_another_threshold_or_rule_is_refused(run_dir, watch):
    watched = watch("watched")
    for name, settings in (("other", WATCHED), ("rule", WATCHED.replace("confidence", "agreement"))):
        checked = watch(name, settings, first=EPISODES)
        with pytest.raises(
            ValueError, match=rf"{name} was run by cascade with rule=.*evaluate other.*={FITTED} longest"
        ):
            command(run_dir, watched, "--alpha", "0.25", "--epsilon", "0.3", "--checked", str(checked))
    same = watch("same", WATCHED.replace("0.1", str(FITTED)))
    with pytest.raises(ValueError, match="same has 4 episodes in common with"):
        command(run_dir, watched, "--alpha", "0.25", "--epsilon", "0.3", "--checked", str(same))
    assert not (run_dir / "calibrations").exists()


def test_too_few_episodes_fit_no_threshold(run_dir, watch, capsys):
    status, kept = command(run_dir, watch("watched"), "--alpha", "0.1")
    found = kept["confidence_alpha0.1_epsilon0.1"]
    assert status == 1
    assert (found["threshold"], found["settings"], found["fitted_on"], found["checked_on"]) == (None,) * 4
    assert "no threshold: even the strictest has a bound of 0.200, above alpha = 0.1" in capsys.readouterr().out
    with pytest.raises(ValueError, match="watched cannot have been run by the fitted threshold: none could be fitted"):
        command(run_dir, run_dir / "watched", "--alpha", "0.1", "--checked", str(run_dir / "watched"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--longest_run", "5"], "longest_run=5 is asked for, and .*watched was run with longest_run=7: leave it out"),
        (["--coarse_layers", "2"], "coarse_layers=2 is asked for, and .*watched was run with coarse_layers=3"),
        (["--epsilon", "0"], "epsilon=0.0 must be above 0"),
    ],
)
def test_episodes_that_were_watched_otherwise_are_refused(run_dir, watch, options, message):
    with pytest.raises(ValueError, match=message):
        command(run_dir, watch("watched"), *options)


def test_a_confidence_that_no_log_names_is_not_fitted(run_dir, watch):
    stages = tuple(stage for stage in STAGES if stage != "confidence")
    watched = watch("watched", "longest_run=7 shadow=true", stages=stages)
    with pytest.raises(ValueError, match=r"rule=both asks the draft policy's confidence, and .* with rule=agreement"):
        command(run_dir, watched, "--rule", "both")
    _, kept = command(run_dir, watched, "--alpha", "0.5")  # its own rule
    assert list(kept) == ["agreement_alpha0.5_epsilon0.1"]


def test_an_early_exit_has_one_rule_and_its_own_name(run_dir, watch, preflight_run):
    (run_dir / "early_exit").symlink_to(preflight_run / "early_exit")
    stages = ("rfsq", "policy", "main_head", "early_exit")
    watched = watch("watched", "longest_run=1 shadow=true", stages=stages, decoder="early_exit")
    with pytest.raises(ValueError, match="rule='confidence' must be agreement"):
        command(run_dir, watched, "--rule", "confidence")
    _, kept = command(run_dir, watched, "--alpha", "0.5")
    assert list(kept) == ["early_exit_alpha0.5_epsilon0.1"]
    assert kept["early_exit_alpha0.5_epsilon0.1"]["settings"].startswith("rule=agreement tolerance=")


def test_what_is_lacking_to_one_who_knew_the_distances_is_told_where_none_was(run_dir, watch, shadow, capsys):
    """Of a confidence that always says the same, no threshold bounds the risk."""
    blind = shadow._replace(distance=np.full((CALLS, 1), 0.05, np.float32))
    folder = watch("watched")
    for number in range(EPISODES):
        save_shadow(folder / SHADOW_FOLDER / trace_name(0, number), blind)
    _, kept = command(run_dir, folder, "--alpha", "0.25", "--epsilon", "0.3")
    (found,) = kept.values()
    assert found["fitted_on"]["skipped"] == 0
    assert found["curve"][-1]["skipped"] == 0.8
    assert found["oracle"]["skipped"] == 0.6
    assert found["oracle"]["risk"] == 0
    assert "at most   60.0% at that risk by who knew every distance; all drafts that may act are 80.0%" in (
        capsys.readouterr().out
    )
