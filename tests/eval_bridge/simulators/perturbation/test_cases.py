from collections import Counter

import pytest

from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.simulators.perturbation.cases import Case, cases_of, draw_case, draw_perturbation
from eval_bridge.simulators.perturbation.choice import KINDS, LEVELS, Perturbation

TASK = "pick_up_the_black_bowl_between_the_plate_and_the_ramekin_and_place_it_on_the_plate"


def all_cases(suite, kind):
    return [case for task in get_suite(suite).tasks for case in cases_of(suite, task, Perturbation(kind))]


@pytest.mark.parametrize(
    ("suite", "counts"),
    [
        ("libero_spatial", (376, 350, 351)),
        ("libero_object", (396, 398, 422)),
        ("libero_goal", (408, 409, 379)),
        ("libero_10", (419, 393, 449)),
    ],
)
def test_all_cases_of_libero_plus_are_there(suite, counts):
    """As many as its `task_classification.json` has of each dimension."""
    assert tuple(len(all_cases(suite, kind)) for kind in KINDS) == counts


def test_levels_part_the_cases_of_a_task():
    found = cases_of("libero_spatial", TASK, Perturbation("robot_start"))
    by_level = [cases_of("libero_spatial", TASK, Perturbation("robot_start", level)) for level in LEVELS]
    assert [len(each) for each in by_level] == [10, 6, 5, 6, 5]
    assert tuple(case for level in by_level for case in level) == found
    assert by_level[1][0] == Case("robot_start", "161", 2)


def test_parameters_lie_where_libero_plus_has_them():
    forms = Counter(case.form for case in all_cases("libero_spatial", "camera"))
    assert forms == {"around": 108, "around and above": 130, "farther away": 76, "turned": 62}
    assert {case.form for case in all_cases("libero_spatial", "noise")} == {
        *("motion blur", "Gaussian blur", "zoom blur", "fog", "glass blur"),
    }
    for case in all_cases("libero_10", "camera"):
        azimuth, elevation, distance, turn, tilt = case.numbers
        assert 0 <= azimuth <= 75 or 285 <= azimuth < 360
        assert elevation in (0, 15)
        assert 100 <= distance <= 200
        assert {min(angle, 360 - angle) for angle in (turn, tilt)} <= {0, 2, 4, 6, 8, 10}


@pytest.mark.parametrize(
    ("kind", "values", "form"),
    [
        *(("noise", "10", "motion blur"), ("noise", "11", "Gaussian blur"), ("noise", "50", "glass blur")),
        *(("robot_start", "100", "0.1 rad"), ("robot_start", "101", "0.2 rad"), ("robot_start", "500", "0.5 rad")),
    ],
)
def test_forms_end_where_the_next_begins(kind, values, form):
    assert Case(kind, values, 1).form == form


def test_starts_of_a_task_meet_its_cases_in_turn():
    cases = cases_of("libero_spatial", TASK, Perturbation("noise"))
    drawn = [draw_case(cases, 7, 0, episode) for episode in range(50)]
    times = Counter(drawn)
    assert set(times) == set(cases)
    assert set(times.values()) == {1, 2}
    assert drawn != [draw_case(cases, 8, 0, episode) for episode in range(50)]
    assert drawn != [draw_case(cases, 7, 1, episode) for episode in range(50)]


def test_an_episode_has_its_case_and_its_seeds():
    found = draw_perturbation(Perturbation("noise"), "libero_spatial", TASK, 7, 0, 3)
    assert found.case == draw_case(cases_of("libero_spatial", TASK, Perturbation("noise")), 7, 0, 3)
    assert found.seeds == (7, 0, 3)


def test_variants_have_the_cases_of_their_suite():
    wanted = Perturbation("camera", 2)
    assert cases_of("libero_spatial_lan", TASK, wanted) == cases_of("libero_spatial", TASK, wanted)
    assert cases_of("point_mass", "ball", Perturbation("noise")) == cases_of(
        "libero_spatial", TASK, Perturbation("noise")
    )


@pytest.mark.parametrize(
    ("suite", "name", "message"),
    [
        ("libero_90", "camera", r"perturbation=camera has no cases in libero_90: .* libero_spatial"),
        ("libero_spatial", "camera_4", r"perturbation=camera_4 has no case of pick_up.* levels 1, 2\. Leave the task"),
        ("point_mass", "camera", "moves what point_mass does not have: choose noise"),
    ],
)
def test_what_libero_plus_does_not_have_is_refused(suite, name, message):
    kind, _, level = name.partition("_")
    with pytest.raises(ValueError, match=message):
        cases_of(suite, TASK, Perturbation(kind, int(level) if level else None))
