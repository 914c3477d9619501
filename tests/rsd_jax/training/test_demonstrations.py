import dataclasses

import numpy as np
import pytest

from rsd_jax.training.demonstrations import MissingDemonstrations, action_rows, frames, load_split, proprio


def test_every_other_episode_is_held_out_and_none_is_in_both(preflight_run):
    split = load_split(preflight_run, every=2)
    train, heldout = ({demo.seed for demo in demos} for demos in split)
    assert len(train) == len(heldout) == 5
    assert not train & heldout


def test_rows_are_the_steps_of_the_episodes_in_order(preflight_run):
    demos = load_split(preflight_run, every=5).heldout
    rows = action_rows(demos, chunk_length=8)
    assert len(rows.actions) == len(frames(demos)) == len(proprio(demos)) == sum(map(len, demos))
    second = len(demos[0])
    np.testing.assert_array_equal(rows.actions[second], demos[1].labels[:8])
    np.testing.assert_array_equal(frames(demos)[second, 1], demos[1].wrist[0])
    assert rows.mask[second - 1].tolist() == [True] + 7 * [False]
    assert rows.episode[second - 1 : second + 1].tolist() == [0, 1]


def test_labels_behind_a_step_where_something_else_was_executed_are_not_foreseeable(preflight_run):
    demo = load_split(preflight_run, every=5).heldout[0]
    actions = demo.labels.copy()
    actions[3, 1] += 0.25 if actions[3, 1] < 0.5 else -0.25
    rows = action_rows([dataclasses.replace(demo, actions=actions)], chunk_length=4)
    assert rows.foreseeable[:5].tolist() == [
        [True, True, True, True],
        [True, True, True, False],
        [True, True, False, False],
        [True, False, False, False],
        [True, True, True, True],
    ]


def test_frames_that_were_not_stored_name_the_command_that_adds_them(preflight_run):
    demo = dataclasses.replace(load_split(preflight_run).heldout[0], agentview=None, wrist=None)
    with pytest.raises(ValueError, match=r"stored without images; python -m launch.render adds them"):
        frames([demo])


def test_missing_demonstrations_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(MissingDemonstrations, match=r"python -m launch.collect --config configs/demos.py"):
        load_split(tmp_path)


def test_too_few_episodes_to_hold_one_out_are_refused(preflight_run):
    with pytest.raises(ValueError, match="holds 10 episodes; at least 11 are needed"):
        load_split(preflight_run, every=11)
