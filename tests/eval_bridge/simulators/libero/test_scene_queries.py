"""Geometry of the real scene, against what a person sees in it."""

import numpy as np
import pytest

from eval_bridge.simulators.libero.scene_geometry import Predicate

pytestmark = pytest.mark.libero

BOWL, PLATE, CABINET = "akita_black_bowl_1", "plate_1", "wooden_cabinet_1"
DRAWER = "wooden_cabinet_1_top_region"
TABLE_HEIGHT = 0.9


@pytest.fixture
def scene(libero_simulator):
    libero_simulator.begin(libero_simulator.draw_start(1))
    return libero_simulator.queries


def test_names(scene):
    assert {BOWL, PLATE} <= set(scene.object_names)
    assert DRAWER in scene.region_names


def test_bowl_lies_on_the_table_and_is_as_large_as_a_bowl(scene):
    box = scene.world_box(scene.collision_geoms(BOWL))
    assert box.lower[2] == pytest.approx(TABLE_HEIGHT, abs=0.005)
    np.testing.assert_allclose(box.size, [0.107, 0.107, 0.05], atol=0.005)
    np.testing.assert_allclose(box.centre[:2], scene.pose(BOWL).position[:2], atol=0.01)
    np.testing.assert_allclose(scene.centre_of_mass(BOWL)[:2], box.centre[:2], atol=0.01)


def test_surface_from_above(scene):
    """The bowl's rim, the table with the bowl hidden, and nothing beyond the table."""
    box = scene.world_box(scene.collision_geoms(BOWL))
    line = np.linspace(box.lower[0], box.upper[0], 60)
    across = np.full(60, box.centre[1])
    seen = scene.surface(line, across)
    bowl_geoms = scene.collision_geoms(BOWL)
    assert seen.heights[np.isin(seen.geoms, bowl_geoms)].max() == pytest.approx(box.upper[2], abs=0.004)
    hidden = scene.surface(line, across, hidden_geoms=bowl_geoms)
    assert not np.isin(hidden.geoms, bowl_geoms).any()
    assert hidden.heights.max() < box.upper[2]
    below = scene.surface(np.array([50.0]), np.array([50.0]), hidden_geoms=seen.geoms)
    assert below.heights[0] <= 0.0


def test_underside_of_the_bowl_reaches_from_its_foot_to_its_rim(scene):
    box = scene.world_box(scene.collision_geoms(BOWL))
    points = scene.underside(BOWL, 0.01)
    assert points[:, 2].min() == pytest.approx(box.lower[2], abs=0.003)
    middle = np.hypot(*(points[:, :2] - box.centre[:2]).T)
    assert points[middle < 0.02, 2].max() < box.lower[2] + 0.015  # the foot
    assert points[middle > 0.045, 2].min() > box.lower[2] + 0.01  # the wall hangs over


def test_robot_is_invisible_from_above(scene):
    hand = scene.eef_position()
    below = scene.surface(hand[:1], hand[1:2])
    assert below.heights[0] < hand[2] - 0.05


def test_everything_settled_on_something(scene):
    for name in scene.object_names:
        assert scene.is_supported(name)
        assert scene.speed(name) < 0.05
    assert not set(scene.touched_geoms(BOWL)) & set(scene.collision_geoms(BOWL))


def test_lifted_object_touches_nothing(libero_simulator, scene):
    env = libero_simulator._environment()
    address = env.sim.model.get_joint_qpos_addr(env.objects_dict[BOWL].joints[-1])[0]
    env.sim.data.qpos[address + 2] += 0.3
    env.sim.forward()
    assert not scene.is_supported(BOWL)


def test_drawer_opens_towards_the_room(scene):
    drawer, joint = scene.region(DRAWER), scene.joint(DRAWER)
    assert drawer.parent == CABINET
    assert drawer.is_articulated
    assert joint.value == pytest.approx(0.0, abs=0.01)
    assert np.linalg.norm(joint.axis) == pytest.approx(1.0)
    cabinet = scene.world_box(scene.collision_geoms(CABINET))
    assert (cabinet.lower < drawer.pose.position).all()
    assert (drawer.pose.position < cabinet.upper).all()
    assert set(joint.geoms) < set(scene.collision_geoms(CABINET))
    assert not scene.region("main_table_plate_region").is_articulated


def test_robot_readings(libero_simulator, scene):
    np.testing.assert_allclose(scene.eef_position(), libero_simulator.proprio()[:3], atol=1e-3)
    assert scene.finger_width() == pytest.approx(0.077, abs=0.005)
    np.testing.assert_allclose(scene.eef_rotation()[:, 2], [0, 0, -1], atol=0.1)
    assert scene.base_position()[0] < -0.4


def test_goal_holds_once_the_bowl_is_on_the_plate(libero_simulator, scene):
    assert scene.goal == (Predicate("on", (BOWL, PLATE)),)
    assert not scene.holds(scene.goal[0])
    env = libero_simulator._environment()
    bowl = env.sim.model.get_joint_qpos_addr(env.objects_dict[BOWL].joints[-1])[0]
    env.sim.data.qpos[bowl : bowl + 3] = scene.pose(PLATE).position + np.array([0, 0, 0.01])
    for _ in range(6):
        is_solved = libero_simulator.step(np.array([0, 0, 0, 0, 0, 0, -1], np.float32))
    assert scene.holds(scene.goal[0])
    assert is_solved
    assert libero_simulator.is_solved()


def test_queries_leave_the_physics_alone(libero_simulator):
    start = libero_simulator.draw_start(2)
    actions = np.random.default_rng(1).uniform(-1, 1, (6, 7)).astype(np.float32)
    ends = []
    for is_asked in (False, True):
        libero_simulator.begin(start)
        queries = libero_simulator.queries
        for action in actions:
            if is_asked:
                queries.surface(np.linspace(-0.3, 0.3, 50), np.zeros(50))
                queries.world_box(queries.collision_geoms(BOWL))
                queries.is_supported(BOWL)
                queries.holds(queries.goal[0])
            libero_simulator.step(action)
        ends.append(libero_simulator.state())
    np.testing.assert_array_equal(ends[0], ends[1])


def test_unknown_names_list_the_known_ones(scene):
    with pytest.raises(ValueError, match=r"'akita_bowl' does not exist.*akita_black_bowl_1"):
        scene.pose("akita_bowl")
    with pytest.raises(ValueError, match=DRAWER):
        scene.region("top_drawer_region")
    with pytest.raises(ValueError, match="neither opens nor turns"):
        scene.joint(DRAWER.replace("top_region", "top_side"))
