import dataclasses
import json
import runpy
from pathlib import Path

import pytest

import launch.collect
from configs.suites import LAYOUTS
from eval_bridge.collection.attempt_log import Attempt, CollectionLog
from eval_bridge.experts.noise import NoiseSettings
from eval_bridge.experts.smooth_motion import MotionLimits
from eval_bridge.experts.style import StyleSettings
from eval_bridge.simulators.libero import quiet_import
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.simulators.start_seeds import SEEDS_PER_RUN
from eval_bridge.workers.shard import Shard
from launch.collect import main
from launch.config_flags import load_config, parse_config
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import demo_path

CONFIG = str(Path(launch.collect.__file__).parent.parent / "configs" / "demos.py")


@pytest.fixture
def calls(monkeypatch) -> list:
    """What would be collected; the simulator and the workers are left out, and so is the page."""
    calls = []

    def collect(tasks, plan, run_dir, *, provenance, on_attempt, leader):
        assert leader is None
        assert not list(run_dir.glob("demos/*/collection.json"))
        calls.append((tasks, plan, run_dir, provenance))
        logs = []
        for task in plan.shard.of(tasks):
            path = demo_path(run_dir, task.suite, task.task)
            path.parent.mkdir(parents=True, exist_ok=True)
            logs.append(CollectionLog(path.with_suffix(".json"), {}, {}))
            for attempt in (Attempt(0, False, 9, 1.0, "slipped"), Attempt(1, True, 80, 2.0)):
                logs[-1].attempts[attempt.seed] = attempt
                on_attempt(task, attempt)
        return logs

    monkeypatch.setattr(launch.collect, "collect", collect)
    monkeypatch.setattr(launch.collect, "write_collection_page", lambda folder: folder / "index.html")
    return calls


def _config(variant: str, *overrides: str):
    return parse_config(["--config", f"{CONFIG}:{variant}" if variant else CONFIG, *overrides])


@pytest.mark.parametrize("seed", [-1, 900])
def test_seeds_of_development_starts_are_refused(calls, tmp_path, seed):
    with pytest.raises(ValueError, match=rf"seed={seed} must be at least 0 and below 900"):
        main(_config("", f"--config.run_dir={tmp_path}", f"--config.seed={seed}"))
    assert not calls


def test_workers_render_on_the_devices_asked_for_which_are_tried_before(calls, tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(quiet_import, "require_render_devices", tried.append)
    devices = "--config.render_devices=(1,0)"
    main(_config("tiny", f"--config.run_dir={tmp_path}", devices))
    ((_, plan, _, _),) = calls
    assert tried == [(1, 0)]
    assert plan.environments == [{"MUJOCO_EGL_DEVICE_ID": "1"}, {"MUJOCO_EGL_DEVICE_ID": "0"}]
    main(_config("tiny", f"--config.run_dir={tmp_path}", devices, "--config.images=False"))
    assert tried == [(1, 0)]


def test_collects_every_task_and_prints_counts_and_path(calls, tmp_path, capsys):
    main(_config("", f"--config.run_dir={tmp_path}", "--config.seed=3", "--config.workers=2"))
    ((tasks, plan, _, provenance),) = calls
    assert len(tasks) == 10
    task = tasks[2]
    assert (plan.demos, plan.first_seed, plan.workers) == (50, 3 * SEEDS_PER_RUN, 2)
    assert task.task == "pick_up_the_black_bowl_from_table_center_and_place_it_on_the_plate"
    assert task.recording.step_limit == 220
    assert task.recording.images
    assert task.recording.noise.burst_probability > 0
    assert provenance["versions"]["mujoco"]
    assert len(provenance["versions"]["expert"]) == 12
    path = tmp_path / "demos" / "libero_spatial" / f"{task.task}_demo.hdf5"
    lines = capsys.readouterr().out.splitlines()
    assert f"1 demonstrations (80 steps) from 2 attempts, 1 failed: {path}" in lines
    assert any("seed 0 failed after 9 steps: slipped" in line for line in lines)
    main(_config("", f"--config.run_dir={tmp_path}", "--config.seed=3", "--config.workers=2"))
    complete = json.loads((path.parent / "collection.json").read_text())
    assert (complete["demos_per_task"], len(complete["tasks"])) == (50, 10)


def test_a_part_of_the_tasks_says_nothing_of_the_whole(calls, tmp_path, capsys):
    main(_config("", f"--config.run_dir={tmp_path}", "--config.shard=2/4"))
    ((tasks, plan, _, _),) = calls
    assert (len(tasks), plan.shard) == (10, Shard(2, 4))
    told = [line for line in capsys.readouterr().out.splitlines() if "1 demonstrations" in line]
    assert [line.split("/")[-1] for line in told] == [f"{task.task}_demo.hdf5" for task in tasks[5:7]]
    folder = tmp_path / "demos" / "libero_spatial"
    assert not (folder / "collection.json").exists()
    with pytest.raises(ValueError, match="shard='4/4'"):
        main(_config("", f"--config.run_dir={tmp_path}", "--config.shard=4/4"))


@pytest.mark.parametrize(("variant", "demos"), [("quickstart", 20), ("tiny", 4), ("tiny_layouts", 4)])
def test_smaller_variants_record_the_task_at_the_centre_of_the_table(calls, tmp_path, variant, demos):
    main(_config(variant, f"--config.run_dir={tmp_path}"))
    (((task,), plan, _, _),) = calls
    assert "from_table_center" in task.task
    assert plan.demos == demos
    assert _config(variant).run_dir == f"runs/{variant}"


@pytest.mark.parametrize(
    "variant", ["libero_spatial", "libero_object", "libero_goal", "libero_10", "diverse", *LAYOUTS]
)
def test_experts_are_measured_as_demonstrations_are_collected(calls, tmp_path, variant):
    main(_config(variant, f"--config.run_dir={tmp_path}"))
    ((tasks, plan, _, _),) = calls
    recording = tasks[0].recording
    assert (len(tasks), plan.demos) == (10, 50)
    measured = load_config(f"configs/experts.py:{variant}")[1]
    assert tuple(measured.suites) == (tasks[0].suite,)
    assert to_dataclass(StyleSettings, measured.style) == recording.style
    assert to_dataclass(NoiseSettings, measured.noise) == recording.noise != NoiseSettings()
    assert to_dataclass(MotionLimits, measured.motion) == recording.motion
    layout = to_dataclass(LayoutSettings, measured.layout)
    assert layout.probability == float(variant in LAYOUTS), "every episode that is measured has its own"
    assert dataclasses.replace(layout, probability=recording.layout.probability) == recording.layout
    looks = to_dataclass(LooksSettings, measured.looks)
    assert looks.probability == layout.probability
    assert dataclasses.replace(looks, probability=recording.looks.probability) == recording.looks


def test_what_demonstrations_are_by_their_variant():
    styles = {name: to_dataclass(StyleSettings, _config(name).style) for name in ("", "libero_spatial", "diverse")}
    motions = {name: to_dataclass(MotionLimits, _config(name).motion) for name in styles}
    assert styles[""] == styles["libero_spatial"] == StyleSettings() != styles["diverse"]
    assert len({motions[name].acceleration for name in motions}) == 3
    assert motions[""] == MotionLimits()


@pytest.mark.parametrize(("variant", "bursts"), [("", 0.0), ("tiny", 0.0), ("noisy", 0.06)])
def test_the_expert_itself_is_measured_without_smoothness_and_misses(variant, bursts):
    measured = load_config(f"configs/experts.py:{variant}")[1]
    noise = to_dataclass(NoiseSettings, measured.noise)
    assert (noise.burst_probability, noise.miss_probability, noise.drop_probability) == (bursts, 0.0, 0.0)
    assert to_dataclass(MotionLimits, measured.motion) == MotionLimits()
    assert to_dataclass(StyleSettings, measured.style) == StyleSettings()


def test_layouts_are_of_their_suite_and_off_elsewhere(calls, tmp_path):
    main(_config("layouts_libero_object", f"--config.run_dir={tmp_path}"))
    ((tasks, _, _, _),) = calls
    assert (tasks[0].suite, tasks[0].recording.layout.probability) == ("libero_object", 0.8)
    assert not to_dataclass(LayoutSettings, _config("libero_object").layout).draws
    assert _config("layouts").suite == _config("tiny_layouts").suite == "libero_spatial"


def test_unknown_tasks_and_suites_are_named(calls):
    with pytest.raises(ValueError, match="task of libero_spatial = 12 does not exist"):
        main(_config("tiny", "--config.tasks=(12,)"))
    with pytest.raises(ValueError, match=r"suite = 'libero_spacial' does not exist.*libero_spatial"):
        main(_config("tiny", "--config.suite=libero_spacial"))
    assert calls == []


def test_impossible_values_are_named(calls):
    with pytest.raises(ValueError, match="demos is 0; it must be at least 1"):
        main(_config("tiny", "--config.demos_per_task=0"))
    with pytest.raises(ValueError, match="burst_probability is 2"):
        main(_config("tiny", "--config.noise.burst_probability=2.0"))
    with pytest.raises(ValueError, match="slowest is 0"):
        main(_config("tiny", "--config.style.slowest=0.0"))


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="'tiny_libero_10', got 'huge'"):
        runpy.run_path(CONFIG)["get_config"]("huge")
