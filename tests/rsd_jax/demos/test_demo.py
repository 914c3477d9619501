import pickle
from pathlib import Path

import numpy as np
import pytest

from rsd_jax.demos.demo import DemoFieldError, DemoStart
from rsd_jax.demos.file_errors import DemoFileError
from tests.rsd_jax.demos.demo_examples import STATE_SIZE, WITHOUT_FRAMES, WITHOUT_SIMULATION, example_demo


def test_length_is_the_number_of_steps():
    assert len(example_demo(steps=4)) == 4


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("actions", np.zeros((0, 7), np.float32), "at least one step"),
        ("actions", np.zeros((3, 6), np.float32), r"expected float32 \(3, 7\)"),
        ("actions", np.zeros((3, 7), np.float64), r"is float64 \(3, 7\)"),
        ("actions", np.full((3, 7), 1.5, np.float32), r"is 1.5 at \[0, 0\]; actions must lie in \[-1, 1\]"),
        ("labels", np.full((3, 7), -1.01, np.float32), "actions must lie in"),
        ("labels", np.full((3, 7), np.nan, np.float32), "must be finite"),
        ("labels", np.zeros((2, 7), np.float32), r"expected float32 \(3, 7\)"),
        ("proprio", np.zeros((3, 9), np.float32), r"expected float32 \(3, 8\)"),
        ("agentview", np.zeros((3, 64, 64, 3), np.uint8), r"expected uint8 \(3, 128, 128, 3\)"),
        ("agentview", np.zeros((3, 256, 256, 3), np.uint8), r"wrist: .* expected uint8 \(3, 256, 256, 3\)"),
        ("wrist", np.zeros((3, 128, 128, 3), np.float32), "is float32"),
        ("wrist", None, "wrist: is missing; .* both cameras or of none"),
        ("agentview", None, "agentview: is missing; .* both cameras or of none"),
        ("states", np.full((3, STATE_SIZE), np.inf), r"is inf at \[0, 0\]"),
        (
            "start",
            DemoStart(np.zeros(STATE_SIZE + 1), {}),
            r"start.state: .*\(21,\); expected float64 \(20,\)",
        ),
        ("start", DemoStart(np.zeros(STATE_SIZE), {"stove": np.zeros(6)}), r"start.fixture_poses\['stove'\]"),
        ("expert_from", 3, "is 3; expected a step of the 3"),
        ("expert_from", -1, "is -1; expected a step of the 3"),
    ],
)
def test_refuses_a_field_that_breaks_a_rule(field, value, rule):
    with pytest.raises(DemoFieldError, match=rule):
        example_demo(**{field: value})


def test_frames_may_be_left_out_and_are_asked_for_by_name():
    demo = example_demo()
    assert demo.has_frames
    np.testing.assert_array_equal(demo.require_frames().wrist, demo.wrist)
    without = example_demo(seed=7, **WITHOUT_FRAMES)
    assert not without.has_frames
    with pytest.raises(DemoFieldError, match=r"\(seed 7\) was stored without images; python -m launch.render adds"):
        without.require_frames()


@pytest.mark.parametrize("missing", ["states", "start"])
def test_states_and_start_may_be_unknown_and_are_asked_for_by_name(missing):
    demo = example_demo()
    np.testing.assert_array_equal(demo.require_simulation().states, demo.states)
    assert demo.require_simulation().start is demo.start
    with pytest.raises(DemoFieldError, match=f"{missing}: .* source without simulator states"):
        example_demo(**{missing: None}).require_simulation()
    assert len(example_demo(**WITHOUT_SIMULATION)) == 3


def test_a_start_without_states_is_checked_too():
    with pytest.raises(DemoFieldError, match=r"start.state: is float64 \(2, 3\); expected float64 \(6,\)"):
        example_demo(states=None, start=DemoStart(np.zeros((2, 3)), {}))


def test_an_error_of_a_file_can_be_told_by_another_process():
    error = DemoFileError(Path("a/b.hdf5"), "demo_3", "actions", "is missing")
    told = pickle.loads(pickle.dumps(error))
    assert type(told) is DemoFileError
    assert str(told) == str(error) == "a/b.hdf5: demo_3: actions: is missing"


def test_of_a_correction_the_experts_steps_are_what_is_learned_from():
    demo = example_demo(steps=5, expert_from=3)
    part = demo.expert_part()
    assert (len(part), part.expert_from, part.start) == (2, 0, None)
    for name in ("actions", "labels", "proprio", "agentview", "wrist", "states"):
        np.testing.assert_array_equal(getattr(part, name), getattr(demo, name)[3:])
    ordinary = example_demo(steps=5)
    assert ordinary.expert_part() is ordinary
    assert len(example_demo(steps=5, expert_from=3, **WITHOUT_FRAMES).expert_part()) == 2
