"""A table with two equal bowls, a cookie box that one of them stands on, a plate, and a stove."""

import numpy as np

from eval_bridge.simulators.libero.layout.roles import Roles
from eval_bridge.simulators.libero.layout.scene import Body, Ground, LayoutScene, LevelPlace, View
from eval_bridge.simulators.libero.layout.settings import LayoutSettings

UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])
EVERYTHING = LayoutSettings(
    probability=1.0,
    exchange_probability=0.8,
    most_exchanges=2,
    anywhere_probability=0.4,
    raised_probability=0.5,
    largest_turn=40.0,
    fixture_probability=0.5,
    fixture_shift=0.05,
    fixture_turn=10.0,
    removal_probability=0.2,
)


def body(x, y, half, height, z=0.0, support=None, is_fixture=False) -> Body:
    low, high = np.array([-half, -half, 0.0]), np.array([half, half, height])
    return Body(np.array([x, y, z]), UPRIGHT, 0.0, low, high, support, is_fixture)


def example_scene(**changes) -> LayoutScene:
    roles = Roles(
        goal=frozenset({"bowl_1", "plate_1"}),
        targets=("bowl_1",),
        look_alikes=("bowl_2",),
        landmarks=("cookies_1",),
        fixed=frozenset(),
        told_apart=(),
        grounded=frozenset(),
        destinations=frozenset(),
    )
    bodies = {
        "bowl_1": body(0.0, 0.0, 0.05, 0.05, z=0.02, support="cookies_1"),
        "bowl_2": body(0.0, 0.3, 0.05, 0.05),
        "cookies_1": body(0.0, 0.0, 0.04, 0.02),
        "plate_1": body(0.0, -0.25, 0.07, 0.02),
        "pot_1": body(-0.2, -0.2, 0.04, 0.1),
        "stove_1": body(-0.2, 0.1, 0.09, 0.03, is_fixture=True),
    }
    scene = LayoutScene(
        bodies,
        roles._replace(**changes),
        {"burner": LevelPlace("stove_1", np.array([-0.2, 0.1, 0.03]), np.array([0.075, 0.075]), 0.0)},
        (),
        Ground(0.0, np.array([-0.5, -0.6]), np.array([0.5, 0.6]), np.array([-0.6, 0.0])),
        View(np.array([0.0, 0.0, 3.0]), np.eye(3), 0.5),
    )
    return scene
