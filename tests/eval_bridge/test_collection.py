import ast
import json
import multiprocessing
import time
from pathlib import Path

import pytest

import eval_bridge
from eval_bridge.collection import CollectionError, CollectionPlan, collect, demo_path, summary_path
from rsd_jax.demos.libero_hdf5 import read_demos
from tests.eval_bridge import collection_fakes as fakes
from tests.rsd_jax.demos.demo_examples import assert_same_demo


def _collect(folder: Path, demos: int, workers: int = 2, task=None, first_seed: int = 0):
    path = demo_path(folder, "point_mass", "close_on_ball")
    attempts = []
    log = collect(
        task or fakes.point_mass_task(),
        CollectionPlan(demos=demos, first_seed=first_seed, workers=workers),
        path,
        provenance={"versions": {"numpy": "2"}},
        on_attempt=attempts.append,
    )
    return path, log, attempts


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


def _collect_until_killed(folder: Path) -> None:
    _collect(folder, demos=4, workers=2, task=fakes.point_mass_task(fakes.expert_that_hangs_on_seed_2))


def test_goes_on_after_a_kill_and_ends_with_the_same_demonstrations(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_collect_until_killed, args=(tmp_path / "killed",))
    process.start()
    parts = demo_path(tmp_path / "killed", "point_mass", "close_on_ball").with_suffix(".parts")
    deadline = time.monotonic() + 60
    while len(list(parts.glob("*.hdf5"))) < 3:  # seeds 0, 1 and 3; seed 2 hangs
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.join()
    assert not demo_path(tmp_path / "killed", "point_mass", "close_on_ball").exists()
    kept = {part.name: part.stat().st_mtime_ns for part in parts.glob("*.hdf5")}

    resumed, _, _ = _collect(tmp_path / "killed", demos=4)
    straight, _, _ = _collect(tmp_path / "straight", demos=4)
    assert len(kept) == 3
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


def test_other_settings_are_refused(tmp_path):
    _collect(tmp_path, demos=1)
    with pytest.raises(ValueError, match=r"collected with other settings \(first_seed = 0, now 5\)"):
        _collect(tmp_path, demos=2, first_seed=5)
    with pytest.raises(ValueError, match="noise"):
        _collect(tmp_path, demos=2, task=fakes.point_mass_task(noise=0.5))


def test_a_crash_ends_the_collection_with_the_workers_traceback(tmp_path):
    task = fakes.point_mass_task(fakes.expert_that_crashes)
    with pytest.raises(CollectionError, match=r"seed 0 crashed:(?s:.)*expert_that_crashes(?s:.)*the bug of seed 0"):
        _collect(tmp_path, demos=1, workers=1, task=task)


def test_a_worker_that_dies_ends_the_collection(tmp_path):
    with pytest.raises(CollectionError, match="died without a word"):
        _collect(tmp_path, demos=1, workers=1, task=fakes.point_mass_task(fakes.expert_that_dies))


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


def test_collection_cannot_reach_the_evaluation_states():
    root = Path(eval_bridge.__file__).parent.parent
    reached = _reachable(root, ["launch.collect", "eval_bridge.collection"])
    assert "eval_bridge.simulators.libero.environment" in reached
    assert not [module for module in reached if "evaluation_states" in module]


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
