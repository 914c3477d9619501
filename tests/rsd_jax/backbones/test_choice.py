import json

import pytest

from rsd_jax.backbones.cameras import GridCamera
from rsd_jax.backbones.choice import BACKBONES, describe_backbone, make_backbone, take_same_inputs
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import TINY
from tests.rsd_jax.backbones.average_colours import AverageColours


@pytest.fixture
def second(monkeypatch):
    monkeypatch.setitem(BACKBONES, "average_colours", AverageColours)
    return AverageColours(width=6)


def test_no_kind_is_the_compact_one_and_it_gives_none():
    backbone = CompactBackbone(GridCamera(features=(4, 8), blocks=(0, 0)), width=16)
    plain = json.loads(json.dumps(describe_backbone(backbone)))
    assert "kind" not in plain
    assert make_backbone(**plain) == make_backbone("compact", **plain) == backbone


def test_another_is_made_by_its_name(second):
    plain = json.loads(json.dumps(describe_backbone(second)))
    assert plain == {"kind": "average_colours", "width": 6, "chunk_length": 8, "chunks": 1, "oldest_memory": 0}
    assert make_backbone(**plain) == second


def test_observations_for_one_serve_another_of_its_kind_and_no_other(second):
    assert take_same_inputs(CompactBackbone(width=16), CompactBackbone(width=32, image_size=32))
    assert second.observation_needs == CompactBackbone().observation_needs
    assert not take_same_inputs(CompactBackbone(), second)
    assert not take_same_inputs(CompactBackbone(), OpenVlaBackbone(TINY))


def test_a_name_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match="backbone kind is 'smolvla'; it must be one of compact, openvla"):
        make_backbone("smolvla", width=4)
