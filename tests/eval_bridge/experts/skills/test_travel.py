import numpy as np

from eval_bridge.experts.grasp_planning import Grasp
from eval_bridge.experts.route import STRAIGHT, Route
from eval_bridge.experts.scene import Box
from eval_bridge.experts.skills import pick
from eval_bridge.experts.skills.travel import Way, find_way
from tests.eval_bridge.experts.kinematic_scene import BLOCK, KinematicScene, play

START, END = np.array([-0.2, 0.0, 0.3]), np.array([0.1, 0.0, 0.1])


def _find(scene: KinematicScene, route: Route, end=END) -> tuple[Way, Route, str]:
    told = []
    way = find_way(scene, START, end, 0.02, BLOCK, route, lambda *report: told.append(report))
    return way, *told[-1]


def _wall(scene: KinematicScene, y: float, height: float) -> KinematicScene:
    scene.towers.append(Box(np.array([-0.1, y - 0.03, 0.0]), np.array([0.0, y + 0.03, height])))
    return scene


def test_goes_around_where_nothing_stands():
    way, route, departure = _find(KinematicScene(), Route(0.01, 0.1))
    np.testing.assert_allclose(way.via, [-0.05, 0.1])
    assert (route, departure) == (Route(0.01, 0.1), "")


def test_a_straight_way_is_no_departure():
    way, route, departure = _find(KinematicScene(), STRAIGHT)
    assert (way.via, route, departure) == (None, STRAIGHT, "")


def test_what_stands_in_the_bow_is_counted_and_what_is_much_higher_is_avoided_on_the_other_side():
    low, *_ = _find(_wall(KinematicScene(), 0.1, 0.05), Route(0.0, 0.1))
    assert low.highest == 0.05
    way, route, departure = _find(_wall(KinematicScene(), 0.1, 0.2), Route(0.0, 0.1))
    np.testing.assert_allclose(way.via, [-0.05, -0.1])
    assert (route.offset, departure) == (-0.1, "things 0.20 m higher stand on the way around")


def test_goes_over_where_neither_side_is_possible():
    enclosed = _wall(_wall(KinematicScene(), 0.1, 0.2), -0.1, 0.2)
    way, route, departure = _find(enclosed, Route(0.02, 0.1))
    assert way == Way(None, 0.0)
    assert route == Route(0.02)
    assert "higher stand on the way" in departure


def test_out_of_reach_and_too_short_are_told():
    *_, departure = _find(KinematicScene(), Route(0.0, 0.6), end=np.array([0.6, 0.0, 0.1]))
    assert departure == "the way around leads out of the robot's reach"
    *_, departure = _find(KinematicScene(), Route(0.0, 0.1), end=START + 0.01)
    assert departure == "the way is too short to go around"


def test_the_hand_passes_where_the_route_leads():
    grasp = Grasp(np.array([0.1, 0.0, 0.05]), 0.0, 0.0)
    sideways, heights = {}, {}
    for name, route in (
        ("over", STRAIGHT),
        ("high", Route(0.1)),
        ("left", Route(0.0, 0.1)),
        ("right", Route(0.0, -0.1)),
    ):
        scene = KinematicScene()
        path = np.array(play(scene, pick.approach(scene, BLOCK, grasp, route)))
        np.testing.assert_allclose(path[-1, :2], [0.1, 0.0], atol=0.025)
        sideways[name] = path[np.argmax(np.abs(path[:, 1])), 1]
        heights[name] = path[-1, 2]
    assert abs(sideways["over"]) < 0.005
    assert 0.06 < sideways["left"] < 0.11
    assert -0.11 < sideways["right"] < -0.06
    assert heights["high"] > heights["over"] + 0.05
