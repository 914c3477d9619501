"""Fitting a threshold to watched episodes, and what is kept of it."""

import json
import shutil

import numpy as np
import pytest

from eval_bridge.episodes.shadow import EpisodeShadow, save_shadow
from launch import calibrate
from rsd_jax.stored_models import load_tokenizer

EPISODES, CALLS = 4, 10
FAR = (7, 8, 9)
"""Calls at which the draft lies far off and says so; at the others it does what the main model does."""


@pytest.fixture(scope="module")
def watched(preflight_run, tmp_path_factory):
    """Folder of four episodes of a draft policy without memory, whose second call alone was acted on by the draft."""
    tokenizer = load_tokenizer(preflight_run)
    # The miniature tokenizer gives back half of what lies between these chunks, which is far nevertheless.
    motion = np.stack([np.full((8, 7), side) for side in (-0.9, 0.9)])
    actions = np.array(tokenizer.normalizer.center) + motion * np.array(tokenizer.normalizer.half_range)
    actions[..., 6] = -1
    near, far = np.asarray(tokenizer.tokenize(actions.astype(np.float32))).astype(np.int8)
    folder = tmp_path_factory.mktemp("watched")
    for number in range(EPISODES):
        shadow = EpisodeShadow(
            drafted=np.stack([far if call in FAR else near for call in range(CALLS)])[:, None],
            foreseen=np.tile(near, (CALLS, 2, 1, 1, 1)),
            distance=np.array([0.5 if call in FAR else 0.05 for call in range(CALLS)], np.float32)[:, None],
            looked=np.arange(CALLS) != 1,
        )
        save_shadow(folder / "shadows" / f"task00_episode{number:03d}.npz", shadow)
    return folder


@pytest.fixture
def run_dir(preflight_run, tmp_path):
    """A run that may be written to."""
    (tmp_path / "rfsq").symlink_to(preflight_run / "rfsq")
    return tmp_path


def command(run_dir, watched, *more):
    status = calibrate.main(["--run_dir", str(run_dir), "--watched", str(watched), *more])
    kept = run_dir / "calibration.json"
    return status, json.loads(kept.read_text()) if kept.exists() else None


def test_a_threshold_is_fitted_checked_and_kept(run_dir, watched, capsys):
    status, found = command(run_dir, watched, "--alpha", "0.25", "--epsilon", "0.3", "--checked", str(watched))
    assert status == 0
    # Whatever is told to be near may act: calls 1 to 6 of each episode. The bound is that of four episodes' no losses.
    assert found["threshold"] == max(value for value in calibrate.THRESHOLDS if value < 0.5)
    assert found["bound"] == pytest.approx(1 / 5)
    assert (found["rule"], found["alpha"], found["epsilon"], found["longest_run"]) == ("confidence", 0.25, 0.3, 7)
    assert found["fitted_on"] == {
        **{"episodes": 4, "calls": 40, "skipped": 0.6, "risk": 0, "risk_interval": [0, 0], "far_of_skipped": 0}
    }
    assert (found["checked_on"]["skipped"], found["checked_on"]["risk"]) == (0.1, 0)
    # With all that may act calls 7 and 9 do too, both far; call 8 is due after seven calls without a look.
    last = found["curve"][-1]
    assert (last["threshold"], last["skipped"], last["risk"], last["far_of_skipped"]) == (2.0, 0.8, 0.2, 0.25)
    assert [row["threshold"] for row in found["curve"]] == list(calibrate.THRESHOLDS)
    printed = capsys.readouterr().out
    assert f"threshold {found['threshold']:g}, expected risk at most 0.200" in printed
    assert "checked on 4 episodes: skipped 10.0%, risk 0.000" in printed


def test_too_few_episodes_fit_no_threshold(run_dir, watched, capsys):
    status, found = command(run_dir, watched, "--alpha", "0.1")
    assert status == 1
    assert (found["threshold"], found["fitted_on"], found["checked_on"]) == (None, None, None)
    assert "no threshold: even the strictest has a bound of 0.200, above alpha = 0.1" in capsys.readouterr().out


def test_what_cannot_be_read_is_named_and_nothing_is_kept(run_dir, watched, tmp_path, capsys):
    assert command(run_dir, tmp_path / "elsewhere") == (1, None)
    assert f"{tmp_path / 'elsewhere'} holds no shadows/*.npz: evaluate there with" in capsys.readouterr().err
    shutil.copytree(watched / "shadows", tmp_path / "cut" / "shadows")
    path = tmp_path / "cut" / "shadows" / "task00_episode001.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert command(run_dir, tmp_path / "cut") == (1, None)
    assert f"error: {path} is truncated or no shadow" in capsys.readouterr().err
