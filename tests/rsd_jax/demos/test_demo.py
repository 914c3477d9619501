import numpy as np
import pytest

from rsd_jax.demos.demo import DemoFieldError, DemoStart
from tests.rsd_jax.demos.demo_examples import STATE_SIZE, example_demo


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
        ("agentview", np.zeros((3, 256, 256, 3), np.uint8), r"expected uint8 \(3, 128, 128, 3\)"),
        ("wrist", np.zeros((3, 128, 128, 3), np.float32), "is float32"),
        ("states", np.full((3, STATE_SIZE), np.inf), r"is inf at \[0, 0\]"),
        (
            "start",
            DemoStart(np.zeros(STATE_SIZE + 1), {}),
            r"start.state: .*\(21,\); expected float64 \(20,\)",
        ),
        ("start", DemoStart(np.zeros(STATE_SIZE), {"stove": np.zeros(6)}), r"start.fixture_poses\['stove'\]"),
    ],
)
def test_refuses_a_field_that_breaks_a_rule(field, value, rule):
    with pytest.raises(DemoFieldError, match=rule):
        example_demo(**{field: value})
