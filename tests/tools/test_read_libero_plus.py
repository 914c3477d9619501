import pytest

from tools.read_libero_plus import read_cases

TASK = "pick_up_the_black_bowl_between_the_plate_and_the_ramekin_and_place_it_on_the_plate"


def entry(name, category, level):
    return {"id": 1, "name": f"{TASK}{name}", "category": category, "difficulty_level": level}


def test_cases_are_told_by_task_kind_and_level():
    classification = {
        "libero_spatial": [
            entry("_view_17_15_100_0_0_initstate_0", "Camera Viewpoints", 2),
            entry("_table_12", "Background Textures", None),
            entry("_view_0_0_150_0_0_initstate_0", "Camera Viewpoints", 2),
            entry("_view_0_0_100_0_0_initstate_231", "Robot Initial States", 5),
            entry("_view_0_0_100_0_0_initstate_0_noise_7", "Sensor Noise", 1),
        ]
    }
    cases = read_cases(classification)["libero_spatial"]
    assert len(cases) == 10
    assert cases[TASK] == {
        "camera": {"2": "17_15_100_0_0 0_0_150_0_0"},
        "robot_start": {"5": "231"},
        "noise": {"1": "7"},
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("_initstate_0_view", "names no task with a view and a start"),
        ("_view_17_15_100_0_0_initstate_3", "is no case of Camera Viewpoints alone"),
    ],
)
def test_other_names_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        read_cases({"libero_spatial": [entry(name, "Camera Viewpoints", 1)]})
