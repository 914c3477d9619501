import dataclasses
import json

import h5py
import pytest

from eval_bridge.collection.attempt_log import CollectionLog
from eval_bridge.collection.recording import own_looks, own_start
from eval_bridge.collection.worker import CollectionWorker, Merge, Record
from eval_bridge.experts.style import StyleSettings
from rsd_jax.demos.libero_hdf5 import read_demos, read_layouts, read_styles
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


def test_the_layout_stands_in_the_file_and_what_was_refused_in_the_summary(tmp_path):
    task = fakes.point_mass_task(images=False, layout=fakes.LAYOUTS)
    worker, log = CollectionWorker([task]), CollectionLog.open(tmp_path / "summary.json", {}, {})
    for seed in (4, 5):
        log.add(worker.run(Record(0, seed, tmp_path / f"{seed}.hdf5"), _refuse))
    layouts = read_layouts(tmp_path / "4.hdf5")
    assert layouts == {4: {"rule": "free", "refused": {"two things overlap": 2}}} == {4: log.attempts[4].layout}
    assert not (tmp_path / "5.hdf5").exists()
    failed = log.attempts[5]
    assert (failed.steps, failed.reason) == (0, "every layout that was drawn was refused")
    assert log.summary()["refused_layouts"] == {"two things overlap": 4}
    again = CollectionLog.open(log.path, {}, {}).attempts
    assert {seed: attempt.layout for seed, attempt in again.items()} == {4: layouts[4], 5: failed.layout}


def test_in_the_tasks_own_layout_nothing_is_noted(tmp_path):
    task = fakes.point_mass_task(images=False)
    attempt = CollectionWorker([task]).run(Record(0, 4, tmp_path / "4.hdf5"), _refuse)
    assert attempt.layout == {}
    assert read_layouts(tmp_path / "4.hdf5") == {4: {}}
    with h5py.File(tmp_path / "4.hdf5") as file:
        assert "layout" not in file["data/demo_0"].attrs, "a file of before keeps every byte"


def test_looks_stand_in_the_file_and_what_was_refused_in_the_summary(tmp_path):
    task = fakes.point_mass_task(fakes.expert_that_fails_on_odd_seeds, images=False, looks=fakes.LOOKS)
    worker, log = CollectionWorker([task]), CollectionLog.open(tmp_path / "summary.json", {}, {})
    for seed in (4, 5):
        log.add(worker.run(Record(0, seed, tmp_path / f"{seed}.hdf5"), _refuse))
    (demo,) = read_demos(tmp_path / "4.hdf5")
    assert demo.start.looks == {"hue": 4, "refused": {"withheld colour": 4}}
    assert not (tmp_path / "5.hdf5").exists()
    assert log.summary()["refused_looks"] == {"withheld colour": 9}
    again = CollectionLog.open(log.path, {}, {}).attempts
    assert {seed: attempt.refused_looks["withheld colour"] for seed, attempt in again.items()} == {4: 4, 5: 5}


def test_with_the_tasks_own_looks_nothing_is_noted(tmp_path):
    CollectionWorker([fakes.point_mass_task(images=False)]).run(Record(0, 4, tmp_path / "4.hdf5"), _refuse)
    assert read_demos(tmp_path / "4.hdf5")[0].start.looks is None
    with h5py.File(tmp_path / "4.hdf5") as file:
        assert "looks" not in file["data/demo_0"].attrs, "a file of before keeps every byte"
    simulator = fakes.RecordablePointMass()
    with pytest.raises(ValueError, match=r"looks.probability=1.0, but this task's scene looks one way; set it to 0"):
        own_looks(simulator, simulator.draw_start(0), 0, fakes.LOOKS)


def test_a_scene_of_one_layout_refuses_to_draw_one():
    with pytest.raises(ValueError, match=r"layout.probability=1.0, but this task's scene has one layout; set it to 0"):
        own_start(fakes.RecordablePointMass(), 0, fakes.LAYOUTS)


def test_a_failed_attempt_keeps_its_style(tmp_path):
    task = fakes.point_mass_task(fakes.expert_that_always_fails, images=False, style=DIVERSE)
    attempt = CollectionWorker([task]).run(Record(0, 0, None), _refuse)
    assert (attempt.is_success, abs(attempt.style["side"])) == (False, pytest.approx(90.0))
