"""The audit of demonstrations against the evaluation states, and against the variants."""

import hashlib
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import launch.audit_demos
from eval_bridge.collection import audit
from eval_bridge.collection.audit import audit_file
from eval_bridge.simulators.libero.looks.recolouring import Recolouring
from eval_bridge.simulators.libero.looks.values import Looks, PartLook
from eval_bridge.simulators.libero.suites import UnknownName, get_suite
from eval_bridge.simulators.libero.surface_colour import lab_of
from launch.audit_demos import main
from launch.config_flags import parse_config
from rsd_jax.demos.demo import DemoFieldError, DemoStart
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, merge, write_episode
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo

CONFIG = str(Path(launch.audit_demos.__file__).parent.parent / "configs" / "audit_demos.py")
TASK = get_suite("libero_spatial").tasks[2]
RACK = "put_the_wine_bottle_on_the_rack"
"""Of libero_goal: the goal names an object and a fixture."""
FIRST_OBJECT = 10  # in a flattened state: behind the time, seven joints of the arm and two fingers


def write_demos(folder, suite, starts, layout=None, task=TASK, looks=None, **changes):
    """A demonstration file whose demonstration k has seed 100 + k and the k-th start, a state or a whole start."""
    parts = []
    for index, start in enumerate(starts):
        state, poses = (start.state, start.fixture_poses) if hasattr(start, "state") else (start, {})
        demo = example_demo(
            seed=100 + index,
            suite=suite,
            task=task,
            states=np.tile(state, (3, 1)),
            start=DemoStart(state, poses, looks),
            **WITHOUT_FRAMES,
            **changes,
        )
        parts.append(folder / f"part_{index}.hdf5")
        write_episode(parts[-1], demo, SceneDescription(), EpisodeDescription())
        if layout is not None:
            with h5py.File(parts[-1], "a") as file:
                file["data/demo_0"].attrs["layout"] = json.dumps(layout)
    path = folder / "demos" / suite / f"{task}_demo.hdf5"
    merge(parts, path)
    return path


def config(run_dir, *overrides):
    return parse_config(["--config", CONFIG, f"--config.run_dir={run_dir}", *overrides])


@pytest.fixture
def evaluation_states():
    from eval_bridge.simulators.libero.evaluation_states import evaluation_starts

    return [start.state.copy() for start in evaluation_starts("libero_spatial", TASK)]


@pytest.mark.libero
def test_names_the_nearest_pair_and_its_distance(evaluation_states, tmp_path, capsys):
    far, near = evaluation_states[3], evaluation_states[7]
    far[FIRST_OBJECT : FIRST_OBJECT + 3] += [0.5, 0.0, 0.0]
    near[FIRST_OBJECT : FIRST_OBJECT + 3] += [0.0003, 0.0, 0.0004]
    near[4] += 0.125
    path = write_demos(tmp_path, "libero_spatial", [far, near])
    content = path.read_bytes()
    main(config(tmp_path))
    audit = json.loads((path.parent / "audit.json").read_text())
    assert list(audit) == [TASK]
    found = audit[TASK]["smallest_distance"]
    assert (found["demo"], found["seed"], found["evaluation_state"]) == (1, 101, 7)
    assert found["objects_m"] == pytest.approx(0.0005)
    assert found["arm_rad"] == pytest.approx(0.125)
    assert audit[TASK]["among_evaluation_states"]["objects_m"] > 0.0005
    assert audit[TASK]["is_clean"]
    assert audit[TASK]["demos"] == 2
    assert audit[TASK]["sha256"] == hashlib.sha256(content).hexdigest()
    assert path.read_bytes() == content
    assert "(seed 101) is 0.50 mm and 0.1250 rad from evaluation state 7" in capsys.readouterr().out
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, "audit.json"])


@pytest.fixture
def swapped():
    """A start of libero_goal_swap, where that variant has objects and fixtures."""
    from eval_bridge.simulators.libero.evaluation_states import evaluation_starts

    return evaluation_starts("libero_goal_swap", RACK)[7]


@pytest.mark.libero
def test_a_layout_of_a_variant_is_told_and_a_random_one_refused(swapped, tmp_path, capsys):
    path = write_demos(tmp_path, "libero_goal", [swapped], task=RACK, instruction="put the bottle on a shelf")
    main(config(tmp_path))
    told = json.loads((path.parent / "audit.json").read_text())[RACK]
    near = told["layouts_of_variants"]["own"]["nearest"]["libero_goal_swap"]
    assert (near["demo"], near["seed"]) == (0, 100)
    assert near["m"] < 1e-4
    assert told["is_clean"]
    assert told["words_of_variants"] == {"withheld": [], "shared": ["bottle", "on", "put", "the"]}
    out = capsys.readouterr().out
    assert re.search(
        r"  1 of the task's own reset .*not refused\) from layouts of variants: lan .*, swap 0\.0 mm \(seed 100, ", out
    )
    assert "words that variants have too, not refused: bottle, on, put, the\n" in out

    write_demos(tmp_path, "libero_goal", [swapped], layout={"seed": 1}, task=RACK)
    with pytest.raises(ValueError, match=f"libero_goal/{RACK} have random layouts within 5 cm of states of variants"):
        main(config(tmp_path))
    told = json.loads((path.parent / "audit.json").read_text())[RACK]
    assert told["layouts_of_variants"]["withheld"] == [0]
    assert told["layouts_of_variants"]["random"]["nearest"]["libero_goal_swap"]["m"] < 1e-4
    assert not told["is_clean"]
    assert "<-- 1 RANDOM LAYOUTS ARE WITHHELD" in capsys.readouterr().out


@pytest.mark.libero
def test_a_random_layout_far_from_the_variants_is_clean(swapped, tmp_path, capsys):
    swapped.state[FIRST_OBJECT : FIRST_OBJECT + 4 * 7 : 7] += 1.0
    for pose in swapped.fixture_poses.values():
        pose[0] += 1.0
    write_demos(tmp_path, "libero_goal", [swapped], layout={"seed": 1}, task=RACK)
    main(config(tmp_path))
    assert re.search(
        r"  1 of random layouts \(refused up to 50 mm\) from layouts of variants: .*swap \d{3,}\.\d mm ",
        capsys.readouterr().out,
    )

    swapped.fixture_poses.clear()
    write_demos(tmp_path, "libero_goal", [swapped], layout={"seed": 1}, task=RACK)
    with pytest.raises(ValueError, match="have random layouts that do not tell where everything is"):
        main(config(tmp_path))


@pytest.mark.libero
def test_instructions_of_variants_are_refused(swapped, tmp_path):
    reworded = "place the wine bottle on the rack"
    write_demos(tmp_path, "libero_goal", [swapped], task=RACK, instruction=reworded)
    with pytest.raises(ValueError, match=rf"{RACK} have instructions of variants \({reworded}\): do not train"):
        main(config(tmp_path))


@pytest.mark.libero
def test_demonstrations_of_a_variant_are_refused(swapped, tmp_path):
    write_demos(tmp_path, "libero_goal_swap", [swapped._replace(state=swapped.state + 1e-3)], task=RACK)
    with pytest.raises(ValueError, match=f"libero_goal_swap/{RACK} are of a variant: do not train"):
        main(config(tmp_path))


@pytest.mark.libero
@pytest.mark.parametrize(("grey", "is_refused"), [(0.58, True), (0.2, False)])
def test_colours_of_variants_are_measured_in_the_scene_and_refused(
    evaluation_states, tmp_path, capsys, grey, is_refused
):
    far = evaluation_states[3]
    far[FIRST_OBJECT] += 0.5
    paint = PartLook(Recolouring(paint=(grey, grey, grey), share=1.0))
    path = write_demos(
        tmp_path,
        "libero_spatial",
        [far],
        looks=Looks(things={"akita_black_bowl": paint, "plate": PartLook()}).values(),
    )
    if is_refused:
        with pytest.raises(ValueError, match=f"{TASK} have things recoloured within 15 .*: do not train"):
            main(config(tmp_path))
    else:
        main(config(tmp_path))
    out = capsys.readouterr().out
    assert ("<-- 1 HAVE COLOURS THAT ARE WITHHELD" in out) == is_refused
    near = json.loads((path.parent / "audit.json").read_text())[TASK]["looks_of_variants"]["nearest"]
    assert near.keys() == {"black_bowl"}
    distance = float(np.linalg.norm(lab_of(np.full(3, round(grey * 255) / 255)) - [61.7, 0.0, 0.0]))
    assert near["black_bowl"]["cie76"] == pytest.approx(distance)
    assert f"(CIE76, refused below 15): black_bowl {distance:.1f} (seed 100)" in out


@pytest.mark.libero
def test_corrections_are_audited_too(evaluation_states, tmp_path, capsys):
    far = evaluation_states[3]
    far[FIRST_OBJECT] += 0.5
    write_demos(tmp_path, "libero_spatial", [far])
    (tmp_path / "demos" / "libero_spatial").rename(tmp_path / "demos" / "libero_spatial_corrections")
    main(config(tmp_path))
    assert capsys.readouterr().out.startswith(f"libero_spatial_corrections/{TASK}: 1 demonstrations")
    assert (tmp_path / "demos" / "libero_spatial_corrections" / "audit.json").is_file()


@pytest.mark.libero
def test_a_demonstration_that_starts_in_an_evaluation_state_is_an_error(evaluation_states, tmp_path):
    path = write_demos(tmp_path, "libero_spatial", [evaluation_states[12].astype(np.float32).astype(np.float64)])
    with pytest.raises(ValueError, match=f"libero_spatial/{TASK} start in evaluation states"):
        main(config(tmp_path))
    found = json.loads((path.parent / "audit.json").read_text())[TASK]
    assert not found["is_clean"]
    assert found["smallest_distance"]["evaluation_state"] == 12


@pytest.mark.libero
def test_states_of_another_scene_are_refused(evaluation_states, tmp_path):
    path = write_demos(tmp_path, "libero_spatial", [evaluation_states[0][:-2]])
    with pytest.raises(ValueError, match=rf"{path.name} holds states of \[{evaluation_states[0].size - 2}\] numbers"):
        audit_file("libero_spatial", path)


def test_demonstrations_without_a_start_cannot_be_audited(monkeypatch, tmp_path):
    class WithoutStart:
        open = staticmethod(lambda path: [example_demo(states=None, start=None)])

    monkeypatch.setattr(audit, "Hdf5Demos", WithoutStart)
    with pytest.raises(DemoFieldError, match="without simulator states"):
        audit_file("libero_spatial", tmp_path / f"{TASK}_demo.hdf5")


def test_a_run_without_demonstrations_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no demonstrations of a LIBERO suite"):
        main(config(tmp_path))
    with pytest.raises(FileNotFoundError, match="libero_goal holds no demonstrations"):
        main(config(tmp_path, "--config.suites=('libero_goal',)"))
    with pytest.raises(UnknownName, match="libero_spatial"):
        main(config(tmp_path, "--config.suites=('libero_spacial',)"))


def test_a_file_of_no_task_is_refused(tmp_path):
    (tmp_path / "demos" / "libero_goal").mkdir(parents=True)
    (tmp_path / "demos" / "libero_goal" / "pick_up_the_cup_demo.hdf5").touch()
    with pytest.raises(UnknownName, match="pick_up_the_cup"):
        main(config(tmp_path))
