import ast
import json
import multiprocessing
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import eval_bridge
from eval_bridge.collection.session import CollectionError, CollectionPlan, Leader, collect
from eval_bridge.collection.takeover import TakeoverSettings
from eval_bridge.policies.interface import PolicyAnswer, PolicyOutput
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.workers.shard import WHOLE, Shard
from rsd_jax.demos.libero_hdf5 import read_demos
from rsd_jax.folder_lock import InUseError, in_use
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.run_folder import demo_path, summary_path
from tests.eval_bridge.collection import collection_fakes as fakes
from tests.rsd_jax.demos.demo_examples import assert_same_demo
from tests.running_processes import wait_until


def _collect(folder: Path, demos: int, workers: int = 1, task=None, first_seed: int = 0):
    attempts = []
    (log,) = collect(
        [task or fakes.point_mass_task()],
        CollectionPlan(demos=demos, first_seed=first_seed, workers=workers),
        folder,
        provenance={"versions": {"numpy": "2"}},
        on_attempt=lambda task, attempt: attempts.append(attempt),
    )
    return demo_path(folder, "point_mass", "close_on_ball"), log, attempts


def test_keeps_the_first_seeds_that_succeed_whatever_the_number_of_workers(tmp_path):
    task = fakes.point_mass_task(fakes.expert_that_fails_on_odd_seeds)
    alone, log, attempts = _collect(tmp_path / "alone", demos=3, workers=1, task=task)
    together, _, _ = _collect(tmp_path / "together", demos=3, workers=3, task=task)
    demos = read_demos(alone)
    assert [demo.seed for demo in demos] == [0, 2, 4]
    for one, other in zip(demos, read_demos(together), strict=True):
        assert_same_demo(one, other)
    assert sorted(attempt.seed for attempt in attempts) == [0, 1, 2, 3, 4]
    assert [log.attempts[seed].reason for seed in (1, 3)] == ["odd seeds are too hard"] * 2
    summary = json.loads(summary_path(alone).read_text())
    assert (summary["successes"], summary["attempts_made"], summary["failed_seeds"]) == (3, 5, [1, 3])
    assert summary["steps"] == sum(map(len, demos))
    assert summary["versions"] == {"numpy": "2"}
    assert sorted(file.name for file in alone.parent.iterdir()) == [
        "close_on_ball_demo.hdf5",
        "close_on_ball_demo.json",
    ]


def test_workers_have_the_environments_of_the_plan(tmp_path):
    told = []
    plan = CollectionPlan(demos=1, attempts_per_demo=1, environments=[{"MUJOCO_EGL_DEVICE_ID": "5"}])
    with pytest.raises(CollectionError):
        collect(
            [fakes.point_mass_task(fakes.expert_that_tells_its_device)],
            plan,
            tmp_path,
            provenance={},
            on_attempt=lambda task, attempt: told.append(attempt.reason),
        )
    assert told == ["5"]


def _collect_until_killed(folder: Path) -> None:
    _collect(folder, demos=4, workers=2, task=fakes.point_mass_task(fakes.expert_that_hangs_on_seed_2))


def test_goes_on_after_a_kill_and_ends_with_the_same_demonstrations(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_collect_until_killed, args=(tmp_path / "killed",))
    process.start()
    parts = demo_path(tmp_path / "killed", "point_mass", "close_on_ball").with_suffix(".parts")
    wait_until(lambda: len(list(parts.glob("*.hdf5"))) >= 3)  # seeds 0, 1 and 3; seed 2 hangs
    process.kill()
    process.join()
    assert not demo_path(tmp_path / "killed", "point_mass", "close_on_ball").exists()
    kept = {part.name: part.stat().st_mtime_ns for part in parts.glob("*.hdf5")}

    resumed, _, _ = _collect(tmp_path / "killed", demos=4)
    straight, _, _ = _collect(tmp_path / "straight", demos=4)
    assert len(kept) == 3
    assert [demo.seed for demo in read_demos(resumed)] == [0, 1, 2, 3]
    for one, other in zip(read_demos(resumed), read_demos(straight), strict=True):
        assert_same_demo(one, other)


def test_more_demonstrations_extend_a_finished_file_and_enough_are_left_alone(tmp_path):
    path, _, _ = _collect(tmp_path, demos=1)
    content = path.read_bytes()
    _, _, attempts = _collect(tmp_path, demos=1)
    assert path.read_bytes() == content
    assert [attempt.seed for attempt in attempts] == [0]
    _collect(tmp_path, demos=2)
    assert [demo.seed for demo in read_demos(path)] == [0, 1]


def test_two_collections_into_one_folder_are_refused(tmp_path):
    folder = demo_path(tmp_path, "point_mass", "close_on_ball").parent
    with in_use(folder), pytest.raises(InUseError, match="demos/point_mass is in use by process"):
        _collect(tmp_path, demos=1)
    assert not list(folder.iterdir())


def _collect_shard(folder: Path, shard: Shard, names=("red", "green", "blue")):
    """Three tasks, of which the expert corrects a policy whose answers depend on the row that is asked."""
    tasks = [replace(CORRECTED, task=name) for name in names]
    plan = CollectionPlan(demos=2, first_seed=500_000, workers=2, shard=shard)
    leader = Leader(PolicyOfRows(), {"policy": "abc"})
    collect(tasks, plan, folder, provenance={}, on_attempt=lambda task, attempt: None, leader=leader)
    return [demo_path(folder, "point_mass_corrections", task.task) for task in shard.of(tasks)]


def test_shards_record_together_what_one_host_would(tmp_path):
    whole = _collect_shard(tmp_path / "whole", WHOLE)
    parts = [_collect_shard(tmp_path / "parts", Shard(part, 2)) for part in range(2)]
    assert [path.name for part in parts for path in part] == [path.name for path in whole]
    contents = [path.read_bytes() for part in parts for path in part]
    assert contents == [path.read_bytes() for path in whole]
    assert len(set(contents)) == 3
    # And who collects without a shard finds everything.
    assert _collect_shard(tmp_path / "parts", WHOLE)[0].read_bytes() == contents[0]


def test_shards_of_one_folder_run_at_the_same_time_and_no_task_twice(tmp_path):
    red, green = (demo_path(tmp_path, "point_mass_corrections", name) for name in ("red", "green"))
    with in_use(red):
        assert [path.name for path in _collect_shard(tmp_path, Shard(1, 2))] == [green.name, "blue_demo.hdf5"]
        for shard in (Shard(0, 2), WHOLE):
            with pytest.raises(InUseError, match=r"red_demo\.hdf5 is in use by process"):
                _collect_shard(tmp_path, shard)


def test_other_settings_are_refused(tmp_path):
    _collect(tmp_path, demos=1)
    with pytest.raises(ValueError, match=r"collected with other settings \(first_seed = 0, now 5\)"):
        _collect(tmp_path, demos=2, first_seed=5)
    with pytest.raises(ValueError, match="noise"):
        _collect(tmp_path, demos=2, task=fakes.point_mass_task(noise=0.5))


def test_a_collection_from_before_there_were_layouts_goes_on_and_one_in_others_does_not(tmp_path):
    _collect(tmp_path, demos=1)
    summary = json.loads(next(tmp_path.glob("demos/*/*.json")).read_text())
    assert not {"layout", "looks"} & set(summary["settings"])
    with pytest.raises(ValueError, match="layout = None, now"):
        _collect(tmp_path, demos=1, task=fakes.point_mass_task(layout=fakes.LAYOUTS))
    with pytest.raises(ValueError, match="looks = None, now"):
        _collect(tmp_path, demos=1, task=fakes.point_mass_task(looks=fakes.LOOKS))


def test_a_seed_that_crashes_every_time_ends_its_task_with_the_workers_traceback(tmp_path):
    task = fakes.point_mass_task(fakes.expert_that_crashes)
    message = r"seed 0 crashed 3 times:(?s:.)*expert_that_crashes(?s:.)*the bug of seed 0"
    with pytest.raises(CollectionError, match=message):
        _collect(tmp_path, demos=1, workers=1, task=task)


def test_workers_that_die_are_replaced_and_change_no_demonstration(tmp_path):
    dying = fakes.point_mass_task(partial(fakes.expert_that_dies, tmp_path, 2))
    path, _, _ = _collect(tmp_path / "dying", demos=3, workers=2, task=dying)
    straight, _, _ = _collect(tmp_path / "straight", demos=3)
    assert [demo.seed for demo in read_demos(path)] == [0, 1, 2]
    for one, other in zip(read_demos(path), read_demos(straight), strict=True):
        assert_same_demo(one, other)
    always = fakes.point_mass_task(partial(fakes.expert_that_dies, tmp_path, 99))
    with pytest.raises(CollectionError, match="seed 0 crashed 3 times: the worker process died with exit status 9"):
        _collect(tmp_path / "always", demos=1, workers=1, task=always)


def test_several_tasks_are_collected_at_once_and_one_that_fails_leaves_the_others_complete(tmp_path):
    good, bad = fakes.point_mass_task(), fakes.point_mass_task(fakes.expert_that_always_fails, name="too_hard")
    plan = CollectionPlan(demos=2, workers=2)
    with pytest.raises(CollectionError, match="point_mass, too_hard: 6 attempts gave 0 of 2"):
        collect([bad, good], plan, tmp_path, provenance={}, on_attempt=lambda task, attempt: None)
    assert [demo.seed for demo in read_demos(demo_path(tmp_path, "point_mass", "close_on_ball"))] == [0, 1]


def test_without_images_everything_else_is_the_same(tmp_path):
    seen, _, _ = _collect(tmp_path / "seen", demos=1)
    blind, _, _ = _collect(tmp_path / "blind", demos=1, task=fakes.point_mass_task(images=False))
    (demo,), (other,) = read_demos(seen), read_demos(blind)
    assert not other.has_frames
    assert_same_demo(replace(demo, agentview=None, wrist=None), other)
    assert blind.stat().st_size < seen.stat().st_size


def test_an_expert_that_never_succeeds_ends_the_collection_with_its_reasons(tmp_path):
    task = fakes.point_mass_task(fakes.expert_that_always_fails)
    with pytest.raises(CollectionError, match="3 attempts gave 0 of 1 demonstrations; the failures were: too hard"):
        _collect(tmp_path, demos=1, workers=1, task=task)
    assert not demo_path(tmp_path, "point_mass", "close_on_ball").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "demos").write_text("a file is in the way")
    with pytest.raises(OSError, match=r"demonstrations cannot be written .*choose another run_dir.*demos"):
        _collect(tmp_path, demos=1)


@pytest.mark.parametrize("values", [{"demos": 0}, {"demos": 1, "workers": 0}, {"demos": 1, "first_seed": -1}])
def test_a_plan_refuses_numbers_out_of_range(values):
    with pytest.raises(ValueError, match="must be at least"):
        CollectionPlan(**values)


class DriftingPolicy:
    """Goes one way, which the episode's key decides, in chunks of four actions."""

    observation_needs = ObservationNeeds(128, ("agentview", "wrist"), 8)
    decoder, batch_size = "drift", 3

    def act_batch(self, requests):
        assert set(requests) <= {0, 1, 2}
        return {row: PolicyAnswer(self.chunk(request.episode), None) for row, request in requests.items()}

    @staticmethod
    def chunk(key):
        actions = np.zeros((4, 7), np.float32)
        actions[:, 0] = (key[0] % 7 - 3) / 10
        nothing = np.zeros((2, 1), np.int32)
        return PolicyOutput(actions, 0, nothing, nothing, np.zeros(1, np.int32))


class PolicyOfRows(DriftingPolicy):
    """Goes another way for every row, as a policy whose sums round otherwise would a little."""

    def act_batch(self, requests):
        return {row: PolicyAnswer(self.chunk((row, 0)), None) for row in requests}


CORRECTED = replace(
    fakes.point_mass_task(noise=0.0), takeover=TakeoverSettings("runs/x", "drift", earliest=3, latest=9)
)


def _correct(folder: Path, workers: int = 1, checkpoints: dict[str, str] | None = None):
    collect(
        [CORRECTED],
        CollectionPlan(demos=3, first_seed=500_000, workers=workers),
        folder,
        provenance={},
        on_attempt=lambda task, attempt: None,
        leader=Leader(DriftingPolicy(), checkpoints or {"policy": "abc"}),
    )
    return demo_path(folder, "point_mass_corrections", "close_on_ball")


def test_corrections_are_marked_and_the_same_whatever_the_number_of_workers(tmp_path):
    alone, together = _correct(tmp_path / "alone"), _correct(tmp_path / "together", workers=3)
    demos = read_demos(alone)
    for one, other in zip(demos, read_demos(together), strict=True):
        assert_same_demo(one, other)
    for demo in demos:
        assert demo.suite == "point_mass"
        assert demo.expert_from == CORRECTED.takeover.draw(demo.seed)
        led = DriftingPolicy.chunk(episode_key(demo.seed, 0, 0)).actions[0]
        assert (demo.actions[: demo.expert_from] == led).all()
        assert (demo.actions[demo.expert_from] != led).any()
    noted = json.loads(summary_path(alone).read_text())["settings"]["takeover"]
    assert noted == {"earliest": 3, "latest": 9, "decoder": "drift", "checkpoints": {"policy": "abc"}}


def test_corrections_of_another_policy_are_not_gone_on_with(tmp_path):
    _correct(tmp_path)
    with pytest.raises(ValueError, match="takeover"):
        _correct(tmp_path, checkpoints={"policy": "other"})


def test_collection_cannot_reach_the_evaluation_states():
    root = Path(eval_bridge.__file__).parent.parent
    reached = _reachable(root, ["launch.collect", "launch.render", "eval_bridge.collection.worker"])
    assert "eval_bridge.simulators.libero.environment" in reached
    assert not [module for module in reached if "evaluation_states" in module or "compute_withheld" in module]


@pytest.mark.libero
def test_no_file_of_evaluation_states_is_opened_while_a_demonstration_is_collected(tmp_path):
    command = [sys.executable, "-m", "tests.eval_bridge.collection.collecting_while_watched", str(tmp_path)]
    root = Path(eval_bridge.__file__).parent.parent
    process = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    told = json.loads(process.stdout.splitlines()[-1])
    assert told["is_success"]
    assert told["definitions"] > 0
    assert told["tables"] > 0, "files that are opened are noticed"
    assert told["states"] == []
    assert len(told["on_purpose"]) == 1, "a file of states is recognised"
    assert "libero_spatial_swap" in told["on_purpose"][0]


def _reachable(root: Path, modules: list[str]) -> set[str]:
    """Modules of the project that the given ones import, directly or through others, at any place of their source."""
    reached: set[str] = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        path = root.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if module in reached or not file.exists():
            continue
        reached.add(module)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                pending += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                pending += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return reached
