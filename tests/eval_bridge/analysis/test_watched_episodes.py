"""Watched evaluations are what they are taken for."""

import pytest

from eval_bridge.analysis.watched_episodes import read_watched, require_other_episodes
from eval_bridge.evaluation.plan import EpisodeId
from rsd_jax.checkpoints import CheckpointError
from tests.eval_bridge.analysis.watched_examples import STAGES, shadow, write_checkpoints, write_watched
from tests.eval_bridge.evaluation.log_examples import DIGEST

DIGESTS = dict.fromkeys(STAGES, DIGEST)
WATCHED = "longest_run=7 rule=confidence shadow=true threshold=0.1"
EPISODES = {(1, 0): shadow(2), (0, 1): shadow(4), (0, 0): shadow(3)}


@pytest.fixture
def run_dir(tmp_path):
    return write_checkpoints(tmp_path / "run")


def test_episodes_are_read_in_order_with_what_watched_them(run_dir):
    watched = read_watched(write_watched(run_dir / "watched", EPISODES, DIGESTS, WATCHED), run_dir)
    assert watched.episodes == (EpisodeId(0, 0), EpisodeId(0, 1), EpisodeId(1, 0))
    assert watched.calls.tolist() == [3, 4, 2]
    assert (watched.decoder.rule, watched.decoder.threshold, watched.decoder.longest_run) == ("confidence", 0.1, 7)
    assert watched.checkpoints == DIGESTS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": "fixed_point", "settings": ""}, "was run by decoder=fixed_point, which drafts nothing: evaluate"),
        ({"settings": "rule=confidence"}, "was run with shadow=False, so that nobody watched: evaluate with"),
        ({"simulator": "libero"}, "is of simulator=libero, whose starts are for results alone"),
        ({"perturbation": "camera_2"}, "was run with perturbation=camera_2: a threshold is fitted on the episodes"),
        ({"planned": 5}, "has 3 of 5 episodes: the same evaluation goes on"),
        ({"digests": DIGESTS | {"policy": "another"}}, "was run with another policy than .*run has: move it away"),
    ],
)
def test_what_was_not_watched_as_claimed_is_refused(run_dir, changes, message):
    given = {"digests": DIGESTS, "settings": WATCHED} | changes
    with pytest.raises(ValueError, match=message):
        read_watched(write_watched(run_dir / "watched", EPISODES, **given), run_dir)


def test_what_is_missing_is_named(run_dir):
    with pytest.raises(ValueError, match=r"episodes.jsonl does not exist"):
        read_watched(run_dir / "elsewhere", run_dir)
    folder = write_watched(run_dir / "watched", EPISODES, DIGESTS, WATCHED)
    (folder / "shadows/task00_episode001.npz").unlink()
    with pytest.raises(ValueError, match=r"shadows lacks task00_episode001.npz: copy them there, or evaluate again"):
        read_watched(folder, run_dir)
    with pytest.raises(CheckpointError, match="extra"):
        read_watched(write_watched(run_dir / "w2", EPISODES, DIGESTS | {"extra": "x"}, WATCHED), run_dir)


def test_a_check_needs_other_episodes_of_the_same_kind(run_dir):
    def read(name, shadows, **identity):
        return read_watched(write_watched(run_dir / name, shadows, DIGESTS, WATCHED, **identity), run_dir)

    first = read("first", EPISODES)
    require_other_episodes(first, read("others", {(1, 2): shadow(), (0, 2): shadow()}))
    with pytest.raises(ValueError, match=r"has 1 episodes in common .*\(task 0 episode 1\).*first_episode=2"):
        require_other_episodes(first, read("overlapping", {(0, 1): shadow(), (0, 2): shadow()}))
    with pytest.raises(ValueError, match=r"is of step_limit=300, and .* of step_limit=220"):
        require_other_episodes(first, read("longer", {(0, 2): shadow()}, step_limit=300))
