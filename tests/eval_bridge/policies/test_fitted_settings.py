"""Settings that a calibration gives a cascade."""

import json

import pytest

from eval_bridge.policies.fitted_settings import fitted_settings
from tests.eval_bridge.analysis.watched_examples import write_checkpoints
from tests.eval_bridge.evaluation.log_examples import DIGEST

SETTINGS = "rule=confidence threshold=0.2 longest_run=7"


@pytest.fixture
def keep(tmp_path):
    """A run whose calibration says `facts`."""
    write_checkpoints(tmp_path)
    (tmp_path / "calibrations").mkdir()

    def write(**facts):
        kept = {"decoder": "cascade", "settings": SETTINGS, "checkpoints": {"rfsq": DIGEST}} | facts
        (tmp_path / "calibrations" / "mine.json").write_text(json.dumps(kept))
        return tmp_path

    return write


def test_they_are_those_that_it_keeps(keep):
    assert fitted_settings(keep(), "mine", "cascade") == SETTINGS


@pytest.mark.parametrize(
    ("facts", "name", "message"),
    [
        ({}, "yours", r"yours.json does not exist; python -m launch.calibrate makes it"),
        ({"decoder": "early_exit"}, "mine", r"is of early_exit, and decoder=cascade is to act|and cascade is to act"),
        ({"settings": None}, "mine", "found no threshold"),
        ({"checkpoints": {"rfsq": "other"}}, "mine", "is of another rfsq than"),
        ({"checkpoints": None}, "mine", "damaged or too old"),
    ],
)
def test_what_gives_none_is_refused(keep, facts, name, message):
    with pytest.raises(ValueError, match=message):
        fitted_settings(keep(**facts), name, "cascade")
