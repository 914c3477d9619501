"""What is read of a real scene."""

import numpy as np
import pytest

from eval_bridge.simulators.libero.layout.arrangement import Arrangement
from eval_bridge.simulators.libero.layout.measuring import measure_scene
from eval_bridge.simulators.libero.layout.rules import fault_of
from eval_bridge.simulators.libero.layout.settings import LayoutSettings


@pytest.mark.libero
def test_the_first_task_of_libero_spatial(libero_simulator):
    start = libero_simulator.draw_start(3)
    scene = measure_scene(libero_simulator, start)
    assert scene.roles.targets == ("akita_black_bowl_1",)
    assert scene.roles.landmarks == ("glazed_rim_porcelain_ramekin_1", "plate_1")
    assert scene.ground.height == pytest.approx(0.9)
    np.testing.assert_allclose(scene.ground.foot, [-0.66, 0.0])
    assert scene.ground.low[0] < -0.4 < 0.4 < scene.ground.high[0], "the table"
    assert scene.level_places.keys() == {"wooden_cabinet_1_top_side", "flat_stove_1_cook_region", "cookies_1_top"}
    top = scene.level_places["wooden_cabinet_1_top_side"]
    assert (top.carrier, top.centre[2]) == ("wooden_cabinet_1", pytest.approx(1.128, abs=0.002))
    lid, box = scene.level_places["cookies_1_top"], scene.bodies["cookies_1"]
    assert (lid.carrier, lid.centre[2]) == ("cookies_1", pytest.approx(0.918, abs=0.002))
    np.testing.assert_allclose(lid.centre[:2], Arrangement.of(scene).footprint("cookies_1").centre, atol=1e-9)
    np.testing.assert_allclose(lid.half_size, (box.high - box.low)[:2] / 2)
    at = Arrangement.of(scene)
    for name, body in scene.bodies.items():
        assert body.is_fixture == (name in ("wooden_cabinet_1", "flat_stove_1"))
        assert body.support is None
        if not body.is_fixture:
            assert at.span(name)[0] == pytest.approx(0.9, abs=0.002), "it stands on the table"
            assert scene.view.shows(at.foot(name))
    low, high = scene.bodies["plate_1"].low, scene.bodies["plate_1"].high
    np.testing.assert_allclose((high - low)[:2], [0.139, 0.139], atol=0.003)
    assert fault_of(at, LayoutSettings()) is None
