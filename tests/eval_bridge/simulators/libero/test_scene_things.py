"""What definitions name, and which things of variants are in whose place."""

import pytest

from eval_bridge.simulators.libero.scene_things import TaskThings, read_things, replaced_things

BASE = TaskThings(
    classes={"bowl_1": "bowl", "bowl_2": "bowl", "plate_1": "plate", "main_table": "table", "rack_1": "rack"},
    predicates=(
        ("on", "bowl_1", "plate_1"),
        ("on", "plate_1", "main_table_plate_region"),
        ("open", "rack_1_top_region"),
    ),
    language="put the bowl on the plate",
)


def test_a_goal_is_about_things_and_about_regions_of_them():
    assert BASE.goal == ("bowl_1", "plate_1", "main_table", "rack_1")
    with pytest.raises(ValueError, match="'cup_1_region' of the goal is nothing of the scene; it has bowl_1, bowl_2"):
        BASE.thing_of("cup_1_region")


def test_the_longest_name_is_meant():
    things = BASE._replace(classes={**BASE.classes, "rack_1_top": "shelf"})
    assert things.thing_of("rack_1_top_region") == "rack_1_top"


def test_all_of_a_class_are_replaced():
    variant = TaskThings(
        classes={
            "red_bowl_1": "red_bowl",
            "red_bowl_2": "red_bowl",
            "plate_1": "plate",
            "main_table": "table",
            "rack_1": "rack",
        },
        predicates=(("on", "red_bowl_1", "plate_1"), *BASE.predicates[1:]),
        language="",
    )
    assert replaced_things(BASE, variant) == {
        "red_bowl_1": "bowl_1",
        "red_bowl_2": "bowl_2",
        "plate_1": "plate_1",
        "main_table": "main_table",
        "rack_1": "rack_1",
    }
    with pytest.raises(ValueError, match="the scenes do not correspond"):
        replaced_things(BASE, variant._replace(classes={**variant.classes, "cup_1": "cup"}))


def test_another_goal_in_the_same_scene_replaces_nothing():
    other = BASE._replace(predicates=(("on", "bowl_2", "plate_1"),))
    assert replaced_things(BASE, other) == {thing: thing for thing in BASE.classes}


@pytest.mark.libero
def test_things_of_a_definition():
    task = "put_the_wine_bottle_on_the_rack"
    base, variant = read_things("libero_goal", task), read_things("libero_goal_object", task)
    assert base.goal == ("wine_bottle_1", "wine_rack_1")
    assert base.language == "put the wine bottle on the rack"
    replaced = {thing: other for thing, other in replaced_things(base, variant).items() if thing != other}
    assert replaced == {"white_bottle_1": "wine_bottle_1", "brown_rack_1": "wine_rack_1"}
    assert "main_table" in base.scene
