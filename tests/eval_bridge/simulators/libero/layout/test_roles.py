"""Which thing the words mean, read from tasks of the benchmark."""

from eval_bridge.simulators.libero.layout.roles import roles_of

THINGS = ("akita_black_bowl_1", "akita_black_bowl_2", "cookies_1", "glazed_rim_porcelain_ramekin_1", "plate_1")
FIXTURES = ("wooden_cabinet_1", "flat_stove_1")
PARENTS = {"main_table_stove_front_region": None, "wooden_cabinet_1_top_region": "wooden_cabinet_1"}


def spatial(which):
    words = f"pick up the black bowl {which} and place it on the plate"
    return roles_of(words, [("on", "akita_black_bowl_1", "plate_1")], THINGS, FIXTURES, PARENTS)


def test_of_two_equal_bowls_one_is_meant():
    roles = spatial("next to the ramekin")
    assert roles.targets == ("akita_black_bowl_1",)
    assert roles.look_alikes == ("akita_black_bowl_2",)
    assert roles.goal == {"akita_black_bowl_1", "plate_1"}


def test_landmarks_are_what_the_words_tell_the_bowl_by():
    assert spatial("next to the ramekin").landmarks == ("glazed_rim_porcelain_ramekin_1",)
    assert spatial("on the cookie box").landmarks == ("cookies_1",)
    assert spatial("from table center").landmarks == ()
    assert spatial("in the top drawer of the wooden cabinet").landmarks == ("wooden_cabinet_1",)
    between = spatial("between the plate and the ramekin")
    assert between.landmarks == ("glazed_rim_porcelain_ramekin_1", "plate_1")


def test_the_place_to_put_it_is_no_landmark():
    assert "plate_1" not in spatial("on the stove").landmarks


def test_what_a_region_of_the_table_is_named_after_stays():
    goal = [("on", "plate_1", "main_table_stove_front_region")]
    roles = roles_of("push the plate to the front of the stove", goal, ("plate_1", "cookies_1"), FIXTURES, PARENTS)
    assert roles.fixed == {"flat_stove_1"}
    assert roles.grounded == {"plate_1"}
    assert roles.destinations == {"main_table_stove_front_region"}
    assert roles.look_alikes == ()


def test_plates_told_apart_by_left_and_right():
    goal = [("on", "porcelain_mug_1", "plate_1"), ("on", "white_yellow_mug_1", "plate_2")]
    things = ("plate_1", "plate_2", "porcelain_mug_1", "white_yellow_mug_1")
    roles = roles_of("put the white mug on the left plate and", goal, things, (), {})
    assert roles.told_apart == ("plate_1", "plate_2")
    assert roles.look_alikes == ()


def test_two_pots_for_one_stove_may_change_places():
    goal = [("on", "moka_pot_1", "cook"), ("on", "moka_pot_2", "cook"), ("turnon", "flat_stove_1")]
    roles = roles_of("put both moka pots on the stove", goal, ("moka_pot_1", "moka_pot_2"), FIXTURES, {"cook": "x"})
    assert roles.told_apart == ()
    assert "flat_stove_1" in roles.goal
