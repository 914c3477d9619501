import pytest

from eval_bridge.simulators.perturbation.choice import KIND_TITLES, KINDS, NOT_DONE, Perturbation, read_perturbation


def test_a_kind_and_perhaps_a_level():
    assert read_perturbation("") is None
    assert read_perturbation("camera") == Perturbation("camera")
    assert read_perturbation("robot_start_2") == Perturbation("robot_start", 2)
    assert Perturbation("noise", 4).in_words == "Sensor Noise of LIBERO-Plus, level 4"
    assert Perturbation("noise").in_words == "Sensor Noise of LIBERO-Plus, all levels"


@pytest.mark.parametrize("name", [*KINDS, "camera_1", "robot_start_5"])
def test_names_are_read_back(name):
    perturbation = read_perturbation(name)
    assert perturbation is not None
    assert perturbation.name == name


@pytest.mark.parametrize("text", ["camera_0", "camera_6", "camera_", "noise_01", "robot", "light", "camera 3"])
def test_others_are_refused_with_those_that_exist(text):
    with pytest.raises(ValueError, match=rf"perturbation='{text}' .* camera, robot_start, noise, .* such as camera_3"):
        read_perturbation(text)


def test_each_of_the_seven_dimensions_is_done_or_named():
    assert KINDS.keys() == KIND_TITLES.keys()
    assert len({*KINDS.values(), *NOT_DONE}) == 7
