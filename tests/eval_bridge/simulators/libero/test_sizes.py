"""Things of other sizes than LIBERO has them: which ones, how a definition tells them, and that they are as large."""

import numpy as np
import pytest

from eval_bridge.collection.demo_scene import simulator_of
from eval_bridge.experts.libero_expert import describe_libero_scene
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.simulators.libero.scene_changes import UNCHANGED, SceneChanges, choose_changes
from eval_bridge.simulators.libero.sizes import LARGEST_ELSEWHERE, choose_sizes, resized, withheld_sizes
from eval_bridge.simulators.libero.suites import get_suite
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, write_episode
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo

TASK = get_suite("libero_spatial").tasks[0]
CHANGES = SceneChanges(("butter",), sizes={"akita_black_bowl": 1.25, "cookies": 0.9})
DEFINITION = """(define (problem LIBERO_Tabletop_Manipulation)
  (:regions (plate_region (:target main_table)))
  (:objects plate_1 - plate)
  (:init (On plate_1 main_table_plate_region)))"""


def drawn(seed, **changed):
    values = {"probability": 0.5, "smallest": 0.8, "largest": 1.6} | changed
    return choose_sizes("libero_spatial", TASK, ["akita_black_bowl", "cookies", "plate"], seed=seed, **values)


def test_a_definition_tells_its_changes():
    changed = CHANGES.written_into(DEFINITION)
    assert SceneChanges.told_by(changed) == CHANGES
    assert SceneChanges.told_by(DEFINITION) == UNCHANGED
    assert UNCHANGED.written_into(DEFINITION) == DEFINITION


def test_sizes_lie_between_their_limits_and_are_not_those_of_variants():
    sizes = [drawn(seed) for seed in range(200)]
    assert drawn(3) == sizes[3] != drawn(4)
    bowls, boxes = ([each[kind] for each in sizes if kind in each] for kind in ("akita_black_bowl", "cookies"))
    assert 60 < len(bowls) < 140
    assert 0.8 <= min(bowls) < 0.9
    assert 1.3 < max(bowls) <= 1.6
    assert all(abs(size / 1.5 - 1) >= 0.1 for size in bowls), "a variant's bowls are 1.5 times as large"
    assert 1.05 < max(boxes) <= LARGEST_ELSEWHERE
    assert drawn(0, probability=0.0) == {}
    assert set(drawn(0, probability=1.0, smallest=1.45, largest=1.6)) == {"cookies", "plate"}


def test_sizes_of_variants_are_named():
    (why,) = withheld_sizes({"akita_black_bowl": 1.45, "cookies": 1.45})
    assert "'akita_black_bowl' 1.45 times as large is within 10% of 'bigger_akita_black_bowl'" in why


@pytest.mark.parametrize(("smallest", "largest"), [(0.0, 1.2), (1.1, 1.2), (0.9, 0.95)])
def test_impossible_limits_are_named(smallest, largest):
    with pytest.raises(ValueError, match=f"looks.smallest is {smallest} and largest {largest}"):
        LooksSettings(smallest=smallest, largest=largest)


@pytest.mark.libero
def test_only_what_moves_has_another_size():
    looks = LooksSettings(size_probability=1.0, smallest=0.9, largest=1.2)
    found = choose_changes("libero_spatial", TASK, LayoutSettings(), looks, seed=0)
    assert set(found.sizes) == {"akita_black_bowl", "cookies", "glazed_rim_porcelain_ramekin", "plate"}
    assert choose_changes("libero_spatial", TASK, LayoutSettings(), LooksSettings(), seed=0) == UNCHANGED


@pytest.mark.libero
def test_what_is_put_somewhere_stands_there_with_its_underside():
    """By what LIBERO's resets know of a thing."""
    from libero.libero.envs.objects import get_object_fn

    own = get_object_fn("milk")(name="own")
    with resized({"milk": 1.2}):
        made = get_object_fn("milk")(name="made")
    for measure in ("bottom_offset", "top_offset", "horizontal_radius"):
        assert np.any(getattr(own, measure))
        np.testing.assert_allclose(getattr(made, measure), 1.2 * np.array(getattr(own, measure)))


def measures(simulator, name):
    """Of a thing: the edges of its visible mesh, those of what collides, and its mass."""
    model = simulator._environment().sim.model._model
    body = model.body(f"{name}_main")
    geoms = [geom for geom in range(model.ngeom) if model.geom_bodyid[geom] == body.id]
    (mesh,) = {model.geom_dataid[geom] for geom in geoms} - {-1}
    first = model.mesh_vertadr[mesh]
    edges = np.ptp(model.mesh_vert[first : first + model.mesh_vertnum[mesh]], axis=0)
    colliding = [geom for geom in geoms if model.geom_dataid[geom] < 0]
    return np.concatenate([edges, model.geom_size[colliding].ravel(), model.geom_pos[colliding].ravel()]), body.mass[0]


@pytest.mark.libero
def test_things_are_as_large_as_told_and_the_next_scene_has_its_own_again(libero_simulator, tmp_path):
    path = tmp_path / "demo.hdf5"
    demo = example_demo(suite="libero_spatial", task=TASK, **WITHOUT_FRAMES)
    write_episode(path, demo, describe_libero_scene("libero_spatial", TASK, {}, CHANGES), EpisodeDescription())
    changed = simulator_of(path, "libero_spatial", TASK)
    for name, factor in (("akita_black_bowl_2", 1.25), ("cookies_1", 0.9), ("plate_1", 1.0)):
        (lengths, mass), (own_lengths, own_mass) = measures(changed, name), measures(libero_simulator, name)
        np.testing.assert_allclose(lengths, factor * own_lengths, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(mass, factor**3 * own_mass, rtol=1e-3)
    changed.begin(changed.draw_start(0))
    for name in changed.queries.object_names:
        assert changed.queries.speed(name) < 0.05, "what is put on something is put higher, too"
    changed.close()
    again = LiberoSimulator("libero_spatial", TASK)
    np.testing.assert_array_equal(measures(again, "cookies_1")[0], measures(libero_simulator, "cookies_1")[0])
    again.close()
