"""Layouts of demonstrations beside those of variants, with the table that is checked in."""

import numpy as np
import pytest

from eval_bridge.collection.audit import audit_words
from eval_bridge.collection.layout_audit import DemoLayout, audit_layouts
from eval_bridge.simulators.libero.suites import UnknownName, get_suite
from eval_bridge.simulators.libero.withheld_table import load_withheld

TASK = get_suite("libero_object").tasks[3]  # the sauce and the basket, neither of which has a twin
FAR = 3.0  # metres beside the table, where no state has anything


def demo(suite="libero_object_swap", state=7, aside=0.0, is_random=False, seed=100, without=()):
    """A layout as in a state of a variant, with everything further left."""
    table = load_withheld()
    scene = table.layouts[table.tasks["libero_object"][TASK].scene]
    (layouts,) = [found for found in scene if (found.suite, found.task) == (suite, TASK)]
    places = {thing: positions[state] + np.array([0.0, aside, 0.0]) for thing, positions in layouts.places.items()}
    return DemoLayout({thing: places[thing] for thing in places if thing not in without}, is_random, seed)


def test_names_the_nearest_demonstration_of_each_variant():
    found = audit_layouts(
        "libero_object", TASK, [demo(aside=0.3), demo(aside=0.004, state=11, seed=101), demo(aside=0.2)]
    )
    near = found.own["libero_object_swap"]
    assert (near.demo, near.seed, near.layout.state, near.layout.task) == (1, 101, 11, TASK)
    assert near.layout.distance == pytest.approx(0.004)
    assert set(found.own) == {f"libero_object_{variant}" for variant in ("lan", "object", "swap", "task")}
    assert found.random == {}
    assert (found.num_own, found.num_random, found.refusals) == (3, 0, [])
    values = found.values()
    assert values["own"]["nearest"]["libero_object_swap"] == {
        "m": near.layout.distance,
        "demo": 1,
        "seed": 101,
        "task": TASK,
        "state": 11,
    }


def test_random_layouts_are_refused_by_the_rule_and_others_are_told():
    demos = [
        demo(),
        demo(is_random=True, aside=FAR),
        demo(is_random=True, aside=0.049),
        demo(is_random=True, aside=0.052, suite="libero_object_lan"),
    ]
    found = audit_layouts("libero_object", TASK, demos)
    assert found.own["libero_object_swap"].layout.distance == 0.0
    assert found.random["libero_object_swap"].layout.distance == pytest.approx(0.049)
    assert 2 in found.withheld
    assert not {0, 1} & set(found.withheld)
    assert found.refusals[0].startswith("have random layouts within 5 cm of states of variants (demonstrations 2")
    assert audit_layouts("libero_object", TASK, demos[:2]).refusals == []


def test_what_does_not_tell_its_places_is_counted_and_refused_if_it_is_random():
    told = [demo(is_random=True, aside=FAR), demo(without=("basket_1",))]
    found = audit_layouts("libero_object", TASK, told)
    assert (found.untold, found.refusals) == ((1,), [])
    assert found.own == {}
    found = audit_layouts("libero_object", TASK, [*told, demo(is_random=True, without=("basket_1",))])
    assert found.untold == (1, 2)
    assert found.refusals == ["have random layouts that do not tell where everything is (demonstrations 2)"]


def test_a_variants_demonstrations_are_not_compared():
    with pytest.raises(UnknownName, match="libero_object_lan"):
        audit_layouts("libero_object_lan", TASK, [demo()])


def test_withheld_instructions_are_told_apart_from_shared_words():
    own, reworded = "pick up the bbq sauce and place it in the basket", "pick up bbq sauce and put it into basket"
    found = audit_words(
        "libero_object", TASK, [own, "lob it", reworded, "Pick the ketchup and place it in the basket"]
    )
    assert found.withheld == (reworded, "Pick the ketchup and place it in the basket")
    assert found.shared == ("and", "basket", "bbq", "in", "it", "pick", "place", "sauce", "the", "up")
    # That is what LIBERO's own definition says of this task, and a _task variant of another one.
    assert (
        audit_words(
            "libero_object", get_suite("libero_object").tasks[4], ["Pick the ketchup and place it in the basket"]
        ).withheld
        == ()
    )
