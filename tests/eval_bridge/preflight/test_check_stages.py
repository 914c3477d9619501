from pathlib import Path

import pytest

from eval_bridge.preflight import requirements
from eval_bridge.preflight.check_stages import check_stages
from eval_bridge.preflight.needed_requirements import bytes_needed, quick_requirements, slow_requirements
from eval_bridge.preflight.needs import Needs
from eval_bridge.preflight.stage_needs import needs_of
from eval_bridge.runs.pipeline_stages import PipelinePlan, stages_of
from launch.config_flags import parse_config


def read_config(arguments):
    return parse_config(arguments).to_dict()


def commands(run_dir, variant="quickstart", decoders=("speculative_greedy",)):
    return {stage.name: stage.command for stage in stages_of(PipelinePlan(run_dir, variant, 0, decoders))}


def names(wanted):
    return [requirement.name for requirement in wanted]


def test_a_whole_run_needs_everything_and_writes_nothing_while_it_is_checked(tmp_path, monkeypatch):
    for name in ("check_simulator_import", "check_renderer", "check_device"):
        monkeypatch.setattr(requirements, name, lambda *devices: "there")
    monkeypatch.setattr(requirements, "check_imports", lambda *packages: "there")
    results = check_stages(commands(tmp_path / "run"), read_config)
    assert [result.name for result in results] == [
        *("configurations", "libraries", "simulator packages", "folders", "disk"),
        *("simulator", "renderer", "device", "reports"),
    ]
    assert [result for result in results if not result.passed] == []
    assert list(tmp_path.iterdir()) == []


def test_every_graphics_device_is_tried_before_anything_runs(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(requirements, "check_renderer", lambda devices: tried.append(devices) or "there")
    stages = stages_of(PipelinePlan(tmp_path, "libero_spatial", 0, ("l1_regression",), render_devices=(1, 0)))
    needs = [needs_of(stage.command, read_config) for stage in stages]
    (renderer,) = (each for each in slow_requirements(needs) if each.name == "renderer")
    renderer.check()
    assert tried == [(1, 0)]


def test_every_pipeline_has_valid_configurations(tmp_path):
    for variant in ("quickstart", "tiny", "libero_spatial", "libero_10"):
        for command in commands(tmp_path, variant, ("speculative_greedy", "l1_regression")).values():
            assert needs_of(command, read_config).folders


def test_only_what_is_needed_is_asked_for(tmp_path):
    found = {name: needs_of(command, read_config) for name, command in commands(tmp_path, "tiny").items()}
    assert names(slow_requirements([found["policy"]])) == ["device"]
    assert names(slow_requirements([found["evaluate"]])) == ["device", "reports"]  # the point mass needs no simulator
    assert names(slow_requirements([found["collect"]])) == ["simulator", "renderer", "reports"]
    assert names(quick_requirements([found["policy"]])) == ["libraries", "folders", "disk"]
    without_images = needs_of([*commands(tmp_path)["collect"], "--config.images=False"], read_config)
    assert not without_images.renderer


@pytest.mark.parametrize(
    ("stage", "override", "message"),
    [
        ("collect", "tasks=(77,)", "task of libero_spatial = 77 does not exist"),
        ("collect", "seed=900", "starts from there on are for development"),
        ("collect", "demos_per_task=0", "demos is 0"),
        ("rfsq", "model.quantizer.strategy=guess", "strategy"),
        ("policy", "model.backbone.width=7", "width"),
        ("policy", "model.labels=none", "model.labels is 'none'"),
        ("draft", "training.warmup_steps=-1", "training.warmup_steps must be at least 0"),
        ("evaluate", "decoder=greedy", "'greedy' is not a decoder"),
        ("evaluate", "suite=libero_spacial", "suite = 'libero_spacial' does not exist"),
        ("evaluate", "tasks=(77,)", "tasks=\\[77\\] do not exist"),
        ("evaluate", "shard=4/4", "shard='4/4'"),
        ("evaluate", "episodes=3", "has no key 'episodes'"),
    ],
)
def test_impossible_values_of_any_stage_are_found(tmp_path, stage, override, message):
    with pytest.raises(ValueError, match=message):
        needs_of([*commands(tmp_path)[stage], f"--config.{override}"], read_config)


def test_wrong_configurations_and_a_wrong_machine_are_listed_together(tmp_path, monkeypatch):
    wanted = commands(tmp_path)
    wanted["draft"] = [
        part.replace("configs/draft.py:quickstart", "configs/draft.py:quick") for part in wanted["draft"]
    ]
    wanted["evaluate"] = [*wanted["evaluate"], "--config.decoder=greedy"]

    def fail():
        raise ValueError("mujoco is gone")

    monkeypatch.setattr(requirements, "check_simulator_packages", fail)
    results = check_stages(wanted, read_config, with_processes=False)
    assert [(result.name, result.detail) for result in results if not result.passed] == [
        ("configuration of draft", "configs/draft.py has no variant 'quick'; did you mean 'quickstart'? (valid: "
         "libero_spatial, libero_object, libero_goal, libero_10, libero_40, quickstart, tiny)"),
        ("configuration of evaluate", "decoder='greedy' is not a decoder; choose one of l1_regression, "
         "two_step_regression, autoregressive, speculative_greedy, fixed_point, one_pass, speculative_sampling, "
         "certified, cascade, early_exit."),
        ("simulator packages", "mujoco is gone"),
    ]  # fmt: skip


def test_tensorboard_is_asked_for_only_where_it_is_wanted(tmp_path, monkeypatch):
    command = [*commands(tmp_path)["policy"], "--config.tensorboard=True"]
    found = quick_requirements([needs_of(command, read_config)])
    assert "TensorBoard" in names(found)
    monkeypatch.setattr("eval_bridge.preflight.needed_requirements.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"rsd_jax\[tensorboard\]"):
        found[names(found).index("TensorBoard")].check()


def test_published_rows_are_estimated_at_some_gigabytes(tmp_path):
    needs = [needs_of(command, read_config) for command in commands(tmp_path, "libero_spatial").values()]
    assert needs[0].demo_bytes == 11 * 50 * 110 * 45_000  # ten tasks, and one twice while it is merged
    assert 8e9 < bytes_needed(needs) < 12e9


def test_demonstrations_and_rows_that_are_there_need_no_more_room(tmp_path):
    def write(path: Path, size: int) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(size))

    policy = Needs(rows_of=tmp_path / "run")
    assert bytes_needed([policy]) == 0
    write(tmp_path / "other" / "demos" / "suite" / "task_demo.hdf5", 45_000)
    assert bytes_needed([policy], demos_of=tmp_path / "other") == 100_000
    write(tmp_path / "run" / "demos" / "suite" / "task_demo.hdf5", 90_000)
    assert bytes_needed([policy]) == 200_000
    assert bytes_needed([policy, Needs(demo_bytes=45_000, bytes_written=7)]) == 345_007
    write(tmp_path / "run" / "rows" / "policy-1" / "train.images.bin", 150_000)
    assert bytes_needed([policy]) == 50_000
