"""The table that is checked in is what its command makes of the installed files."""

import json

import numpy as np
import pytest

from eval_bridge.simulators.libero import compute_withheld
from eval_bridge.simulators.libero.withheld_table import TABLE, UNIT, load_withheld
from rsd_jax.content_check import read_checked_json

TASK = "put_the_wine_bottle_on_the_rack"  # both of which are other things in _object


@pytest.mark.libero
def test_definitions_give_the_words_scenes_and_classes_of_the_table(monkeypatch):
    table = load_withheld()
    places = {(layouts.suite, layouts.task): layouts.places for scene in table.layouts.values() for layouts in scene}
    monkeypatch.setattr(compute_withheld, "variant_places", lambda task, renamed, wanted: places[task])
    monkeypatch.setattr(compute_withheld, "variant_looks", lambda task, base, variant, known: {})
    computed = json.loads(json.dumps(compute_withheld.compute_table()))
    stored = read_checked_json(TABLE)
    assert computed | {"looks": stored["looks"]} == stored


@pytest.mark.libero
def test_states_of_a_variant_give_the_places_of_the_table():
    (scene,) = (load_withheld().layouts[load_withheld().tasks["libero_goal"][TASK].scene],)
    (stored,) = [layouts for layouts in scene if (layouts.suite, layouts.task) == ("libero_goal_object", TASK)]
    renamed = {"white_bottle_1": "wine_bottle_1", "brown_rack_1": "wine_rack_1", "cream_cheese_1": "cream_cheese_1"}
    names = renamed | {name: name for name in ("akita_black_bowl_1", "plate_1", "flat_stove_1", "wooden_cabinet_1")}
    places = compute_withheld.variant_places(("libero_goal_object", TASK), names, set(stored.places))
    assert stored.goal == ("wine_bottle_1", "wine_rack_1")
    assert set(places) == set(stored.places)
    for thing, positions in places.items():
        np.testing.assert_allclose(stored.places[thing], positions, rtol=0, atol=UNIT / 2 + 1e-9)


@pytest.mark.libero
def test_looks_of_a_variants_things_are_those_of_the_table():
    base, variant = (compute_withheld.read_things(suite, TASK) for suite in ("libero_goal", "libero_goal_object"))
    stored = read_checked_json(TABLE)["looks"]
    found = compute_withheld.variant_looks(("libero_goal_object", TASK), base, variant, {})
    assert set(found) == {"wine_bottle", "wine_rack"}
    assert all(look == stored[kind] for kind, look in found.items())
    assert compute_withheld.variant_looks(("libero_goal_object", TASK), base, variant, stored) == {}


def test_equal_places_of_a_thing_are_stored_once():
    first, others = [[1, 2], 3, 4], {"libero_goal_lan/boil": {"places": {"stove_1": [[1, 2], 3, 4]}}}
    assert compute_withheld._stored("stove_1", first, others) == "libero_goal_lan/boil"
    assert compute_withheld._stored("stove_1", [[1, 2], 3, 5], others) == [[1, 2], 3, 5]
    assert compute_withheld._columns(np.array([[0.00012, 1.0, -2.0], [0.00012, 1.0, -2.00006]])) == [
        1,
        10000,
        [-20000, -20001],
    ]
