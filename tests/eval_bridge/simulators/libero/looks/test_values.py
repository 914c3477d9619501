"""Looks as they stand in a file."""

import json

import pytest

from eval_bridge.simulators.libero.looks.recolouring import Recolouring
from eval_bridge.simulators.libero.looks.values import LightLook, Looks, PartLook
from eval_bridge.simulators.perturbation.camera_pose import CameraShift

LOOKS = Looks(
    things={"plate": PartLook(Recolouring(10.0, 0.9, (0.1, 0.2, 0.3), 0.4), specular=0.1), "cookies": PartLook()},
    surfaces={"table": PartLook(image="dark-wood")},
    lights=(LightLook((0.1, 0.2, 0.3), (1.0, 0.9, 0.8)),),
    ambient=1.1,
    cameras={"wrist": CameraShift((0.1, 0.0, 0.0), (1.0, 2.0, 3.0))},
    posture=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    refused={"withheld colour": 2},
)


@pytest.mark.parametrize("looks", [LOOKS, Looks()])
def test_what_is_written_is_read_again(looks):
    assert Looks.of(json.loads(json.dumps(looks.values()))) == looks


@pytest.mark.parametrize(
    "change", [{"things": {"plate": {"colour": 1}}}, {"lights": [{"shift": [1, 2, 3]}]}, {"cameras": 3}]
)
def test_other_values_are_refused(change):
    with pytest.raises(ValueError, match="are not as they are drawn"):
        Looks.of(LOOKS.values() | change)
    with pytest.raises(ValueError, match="'ambient'"):
        Looks.of({"things": {}, "surfaces": {}, "lights": []})
