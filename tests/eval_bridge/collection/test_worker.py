import dataclasses
import json

import pytest

from eval_bridge.collection.attempt_log import CollectionLog
from eval_bridge.collection.worker import CollectionWorker, Merge, Record
from eval_bridge.experts.style import StyleSettings
from rsd_jax.demos.libero_hdf5 import read_styles
from tests.eval_bridge.collection import collection_fakes as fakes

DIVERSE = StyleSettings(sides=(-90.0, 90.0), slowest=0.5)


def _refuse(question):
    raise AssertionError("nothing is asked")


def test_the_style_stands_in_the_file_and_in_the_summary(tmp_path):
    task = fakes.point_mass_task(fakes.expert_with_style, images=False, style=DIVERSE)
    worker, path = CollectionWorker([task]), tmp_path / "close_on_ball_demo.hdf5"
    log = CollectionLog.open(tmp_path / "summary.json", {}, {})
    parts = [tmp_path / f"{seed}.part" for seed in (3, 4)]
    attempts = [worker.run(Record(0, int(part.stem), part), _refuse) for part in parts]
    worker.run(Merge(0, tuple(parts), path), _refuse)
    worker.close()
    styles = read_styles(path)
    for attempt in attempts:
        log.add(attempt)
        assert styles[attempt.seed] == json.loads(json.dumps(attempt.style))
        assert styles[attempt.seed]["kinds"]["grasp ball"] == "left"
    assert styles[3]["speed"] != styles[4]["speed"]
    again = CollectionLog.open(log.path, {}, {})
    assert {seed: json.loads(json.dumps(dataclasses.asdict(attempt))) for seed, attempt in log.attempts.items()} == {
        seed: dataclasses.asdict(attempt) for seed, attempt in again.attempts.items()
    }


def test_a_failed_attempt_keeps_its_style(tmp_path):
    task = fakes.point_mass_task(fakes.expert_that_always_fails, images=False, style=DIVERSE)
    attempt = CollectionWorker([task]).run(Record(0, 0, None), _refuse)
    assert (attempt.is_success, abs(attempt.style["side"])) == (False, pytest.approx(90.0))
