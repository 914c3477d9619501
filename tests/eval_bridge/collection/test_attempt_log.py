import json

import pytest

from eval_bridge.collection.attempt_log import Attempt, CollectionLog
from rsd_jax.content_check import DamagedJsonError

SETTINGS = {"seeds": [0, 1], "noise": 0.25}


@pytest.fixture
def path(tmp_path):
    """Of a log with a demonstration and a failure."""
    log = CollectionLog(tmp_path / "task_demo.json", SETTINGS, {"commit": "abc"})
    log.add(Attempt(0, True, 68, 3.5))
    log.add(Attempt(1, False, 220, 9.0, "dropped"))
    return log.path


def test_a_collection_goes_on_with_its_attempts(path):
    log = CollectionLog.open(path, SETTINGS, {"commit": "abc"})
    assert log.attempts == {0: Attempt(0, True, 68, 3.5), 1: Attempt(1, False, 220, 9.0, "dropped")}


def test_a_log_of_an_earlier_version_has_no_check_and_is_read(path):
    content = json.loads(path.read_text())
    del content["check"]
    path.write_text(json.dumps(content))
    assert list(CollectionLog.open(path, SETTINGS, {}).attempts) == [0, 1]


@pytest.mark.parametrize(
    ("written", "altered"),
    [('"is_success": false', '"is_success": true'), ('"steps": 68', '"steps": 69'), ("0.25", "0.35"), ("abc", "abd")],
)
def test_another_attempt_than_was_noted_is_noticed(path, written, altered):
    path.write_text(path.read_text().replace(written, altered))
    with pytest.raises(DamagedJsonError, match=r"task_demo.json is damaged: its check is .*Put back an intact copy"):
        CollectionLog.open(path, SETTINGS, {"commit": "abc"})


@pytest.mark.parametrize("content", ["[]", "{}", '{"settings": {}}', '{"settings": {}, "attempts": [{"sed": 0}]}'])
def test_what_is_no_log_is_named(path, content):
    path.write_text(content)
    with pytest.raises(ValueError, match=r"task_demo.json (is damaged|is no summary of a collection)"):
        CollectionLog.open(path, SETTINGS, {})
