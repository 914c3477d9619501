import json
import re

import numpy as np
import pytest

from eval_bridge.report.collection.page import render_collection_page, write_collection_page
from eval_bridge.report.collection.statistics import measure_task, read_pictures
from rsd_jax.demos.demo import DemoStart
from rsd_jax.demos.libero_hdf5 import DemoFileError, EpisodeDescription, SceneDescription, merge, write_episode
from tests.eval_bridge.report.collection.test_demo_scene import BDDL, MODEL
from tests.eval_bridge.report.page_parser import Page
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo

SUMMARY = {
    "attempts_made": 3,
    "settings": {"step_limit": 220, "noise": {"rotation_std": 0.1}},
    "commit": "0123abcd",
    "attempts": [
        {"seed": 0, "is_success": True, "steps": 4, "seconds": 2.0, "reason": ""},
        {"seed": 1, "is_success": False, "steps": 220, "seconds": 5.0, "reason": "the <bowl> slipped"},
        {"seed": 2, "is_success": True, "steps": 8, "seconds": 2.0, "reason": ""},
    ],
}


def actions(steps):
    """Always at the upper limit of x, at a fifth of y, gripper open."""
    values = np.zeros((steps, 7), np.float32)
    values[:, 0], values[:, 1], values[:, 6] = 1.0, 0.2, -1.0
    return values


def states(steps, x, y):
    values = np.zeros((steps, 40))
    values[:, 15:17] = x, y
    return values


def write_task(folder, task, demos, model=MODEL, summary=SUMMARY, styles=None, layouts=None):
    parts = []
    for demo in demos:
        parts.append(folder / f"{task}_{demo.seed}.part")
        scene = SceneDescription(bddl_file_content=BDDL)
        style, layout = ((each or {}).get(demo.seed, {}) for each in (styles, layouts))
        write_episode(parts[-1], demo, scene, EpisodeDescription(model, style=style, layout=layout))
    path = folder / f"{task}_demo.hdf5"
    merge(parts, path)
    for part in parts:
        part.unlink()
    if summary is not None:
        path.with_suffix(".json").write_text(json.dumps(summary))
    return path


def demo(seed, steps, **changes):
    fields = {"actions": actions(steps), "states": states(steps, 0.1 * seed, 0.3), "start": None}
    return example_demo(seed, steps, **(fields | changes))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "libero_spatial"
    folder.mkdir()
    write_task(folder, "first", [demo(0, 4), demo(2, 8)])
    return folder


def test_statistics_by_hand(folder):
    found = measure_task(folder / "first_demo.hdf5")
    assert (found.task, found.instruction, found.steps) == ("pick_up_the_bowl", "pick up the bowl", (4, 8))
    assert found.action_counts.sum(axis=1).tolist() == [12] * 7
    assert (found.action_counts[0, -1], found.action_counts[1, 12], found.action_counts[6, 0]) == (12, 12, 12)
    assert found.saturated.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert found.starts["bowl_1"] == pytest.approx(np.array([[0.0, 0.3], [0.2, 0.3]]))
    assert list(found.starts) == ["bowl_1", "plate_1"]
    assert (found.attempts.made, found.attempts.successes, found.attempts.seconds) == (3, 2, 9.0)
    assert found.attempts.failed == ((1, 220, "the <bowl> slipped"),)


def test_pictures_are_upright_and_evenly_spaced(folder):
    first, second = read_pictures(folder / "first_demo.hdf5", demos=2, frames=3)
    assert len(first) == len(second) == 3
    stored = demo(0, 4).agentview
    np.testing.assert_array_equal(first[0], stored[0, ::-1, ::-1])
    np.testing.assert_array_equal(first[2], stored[3, ::-1, ::-1])
    assert len(read_pictures(folder / "first_demo.hdf5", demos=1, frames=9)[0]) == 4


def test_of_a_correction_the_experts_part_is_shown(tmp_path):
    correction = example_demo(steps=5, expert_from=3)
    write_episode(tmp_path / "a_demo.hdf5", correction, SceneDescription(), EpisodeDescription())
    (shown,) = read_pictures(tmp_path / "a_demo.hdf5", demos=1, frames=9)
    np.testing.assert_array_equal(shown, correction.agentview[3:, ::-1, ::-1])


def test_page_shows_what_was_collected(folder):
    path = write_collection_page(folder)
    source = path.read_text(encoding="utf-8")
    page = Page(source)
    assert path.name == "index.html"
    for text in ("2 demonstrations of 1 task", "66.7 % of 3 attempts succeeded", "4 to 8 steps", "LIBERO spatial"):
        assert text in page.text
    assert "1 220 the <bowl> slipped" in page.text
    assert "settings.noise.rotation_std 0.1" in page.text
    assert "bowl_1" in page.text
    assert page.count["img"] == 4 + 6
    assert all(address.startswith("data:image/jpeg") for address in page.addresses)
    assert not re.search(r"https?://|@import|url\(|<bowl>", source)
    assert sorted(file.name for file in folder.iterdir()) == ["first_demo.hdf5", "first_demo.json", "index.html"]


def test_without_images_scene_and_summary(folder):
    write_task(folder, "second", [demo(0, 4, **WITHOUT_FRAMES)], model="", summary=None)
    page = Page(render_collection_page(folder))
    assert "without images" in page.text
    assert "3 demonstrations of 2 tasks" in page.text
    assert "attempts succeeded" not in page.text  # what one task took is not known
    assert page.count["img"] == 4 + 6
    assert page.text.count("Where things of the goal stood") == 1


def test_ways_of_doing_it_are_counted(folder):
    assert "How they were done" not in Page(render_collection_page(folder)).text
    reason = "the best grasp there costs 0.12 m more"
    styles = {
        0: {"kinds": {"grasp bowl": "left"}, "departures": {}},
        1: {"kinds": {"grasp bowl": "right"}, "departures": {"grasp bowl": reason}},
        2: {"kinds": {"grasp bowl": "right"}, "departures": {"grasp bowl": reason.replace("0.12", "0.20")}},
    }
    write_task(folder, "second", [demo(seed, 4) for seed in styles], styles=styles)
    text = Page(render_collection_page(folder)).text
    assert "grasp bowl right 2, left 1 the best grasp there costs … m more (2)" in text


def test_layouts_are_counted(folder):
    assert "Layouts" not in Page(render_collection_page(folder)).text
    layouts = {
        0: {"rule": "kept", "exchanged": [["plate", "box"]], "moved": {"plate": [0, 0, 0, 0], "box": [0, 0, 0, 0]}},
        1: {"rule": "kept", "exchanged": [], "moved": {"plate": [0, 0, 0, 0]}, "removed": ["pot"]},
    }
    summary = {**SUMMARY, "refused_layouts": {"two things overlap": 7}}
    demos = [demo(seed, 4) for seed in range(3)]
    write_task(folder, "second", demos, layouts=layouts, summary=summary)
    text = Page(render_collection_page(folder)).text
    assert "rule kept 2, the task's own 1 exchanged plate 1, box 1 moved plate 2, box 1 taken away pot 1" in text
    assert "drawn again two things overlap (7)" in text
    assert "refused_layouts" not in text


def test_looks_are_counted(folder):
    assert "Looks" not in Page(render_collection_page(folder)).text
    looks = {
        "things": {"plate": {"recolouring": {"hue": 1.0}, "image": None}, "box": {"recolouring": None, "image": None}},
        "surfaces": {"table": {"recolouring": {"hue": 2.0}, "image": "dark-wood"}},
    }
    starts = {0: DemoStart(states(4, 0.0, 0.3)[0], {}, looks)}
    demos = [demo(seed, 4, start=starts.get(seed)) for seed in range(3)]
    write_task(folder, "second", demos, summary={**SUMMARY, "refused_looks": {"withheld colour": 5}})
    text = Page(render_collection_page(folder)).text
    assert "Looks Demonstrations of their own 1 of 3 recoloured plate 1, table 1 textures dark-wood 1" in text
    assert "drawn again withheld colour (5)" in text
    assert "refused_looks" not in text


def test_values_that_differ_between_tasks_are_all_shown(folder):
    write_task(folder, "second", [demo(0, 4)], summary={**SUMMARY, "commit": "beef"})
    assert "commit 0123abcd, beef" in Page(render_collection_page(folder)).text


def test_nothing_collected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"launch\.collect"):
        write_collection_page(tmp_path)


def test_damaged_files_name_themselves(folder):
    path = folder / "first_demo.json"
    for content in ("{", "[]", json.dumps({"attempts": [{"seed": 0}]})):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"first_demo\.json is (damaged|no summary of a collection)"):
            render_collection_page(folder)
    (folder / "first_demo.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(DemoFileError, match=r"first_demo\.hdf5"):
        render_collection_page(folder)
