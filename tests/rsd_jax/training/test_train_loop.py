import json
import logging
import os
import shutil
import signal
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.checkpoints import load_stage
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.training.background_saves import BackgroundSaves
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.metric_log import NonFiniteMetricError
from rsd_jax.training.objectives.interface import Variables
from rsd_jax.training.row_sources import StreamedRows
from rsd_jax.training.train_loop import ConfigMismatchError, TrainingInterrupted, train
from tests.rsd_jax.training.run_fingerprint import fingerprint
from tests.rsd_jax.training.termination import TerminateAt
from tests.rsd_jax.training.toy_stage import ToyObjective, make_toy_stage

CONFIG = TrainingConfig(
    steps=12,
    batch_size=8,
    learning_rate=1e-2,
    warmup_steps=2,
    weight_decay=0.1,
    ema_decay=0.9,
    evaluate_every=4,
    checkpoint_every=4,
    log_every=2,
)

# No period is a multiple of another or of the steps in a dispatch; after these steps a dispatch has to end.
UNEVEN = replace(CONFIG, steps=23, evaluate_every=10, checkpoint_every=8, log_every=3)


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(MeshConfig())


@pytest.fixture(scope="module")
def straight_run(tmp_path_factory, mesh):
    """A finished run in ``RUN/toy``; tests must not change it."""
    run_dir = tmp_path_factory.mktemp("run")
    train(make_toy_stage(), CONFIG, run_dir / "toy", mesh)
    return run_dir


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_best_latest_metrics_and_config(straight_run):
    folder = straight_run / "toy"
    assert {path.name for path in folder.iterdir()} == {
        "best",
        "latest",
        "config.json",
        "metrics.json",
        "metrics.jsonl",
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    assert len(metrics["mse_by_output"]) == 4
    assert metrics["training"]["steps"] == 12
    assert list(metrics["training"]["start"]) == ["state", "rows", "compilation", "first step"]
    assert metrics["training"]["longest_save_stop"] > 0
    assert json.loads((folder / "config.json").read_text())["training"]["batch_size"] == 8
    assert [row["step"] for row in rows_of(folder) if "train/loss" in row] == [2, 4, 6, 8, 10, 12]
    assert [row["step"] for row in rows_of(folder) if "heldout/mse" in row] == [4, 8, 12]


def test_best_holds_the_averaged_variables_with_the_lowest_metric(straight_run):
    rows = [row for row in rows_of(straight_run / "toy") if "heldout/mse" in row]
    best = min(rows, key=lambda row: row["heldout/mse"])
    loaded = load_stage(straight_run, "toy")
    assert loaded.metadata.step == best["step"]
    assert loaded.metrics["mse"] == best["heldout/mse"]
    assert make_toy_stage().evaluate(Variables(**loaded.variables))["mse"] == best["heldout/mse"]
    assert loaded.metadata.facts == {"tokenizer_hash": "abc", "width": 16}


def test_best_is_kept_when_evaluation_gets_worse(tmp_path, mesh):
    values = iter([2.0, 1.0, 3.0])
    train(make_toy_stage(evaluate=lambda variables: {"mse": next(values)}), CONFIG, tmp_path / "toy", mesh)
    assert load_stage(tmp_path, "toy", "best").metadata.step == 8
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 12
    assert json.loads((tmp_path / "toy" / "metrics.json").read_text())["mse"] == 1.0


def test_interrupted_and_resumed_equals_straight_to_the_last_bit(tmp_path, mesh, straight_run):
    stage = make_toy_stage()
    with pytest.raises(TrainingInterrupted) as caught:
        train(replace(stage, evaluate=TerminateAt(2, stage.evaluate)), CONFIG, tmp_path / "toy", mesh)
    assert caught.value.code == 143
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 8
    assert not (tmp_path / "toy" / "metrics.json").exists()
    train(stage, CONFIG, tmp_path / "toy", mesh)
    assert fingerprint(tmp_path / "toy") == fingerprint(straight_run / "toy")


def test_the_timer_saves_between_the_periods_and_resumes_to_the_same_bits(tmp_path, mesh, straight_run, monkeypatch):
    saved = []
    add = BackgroundSaves.add

    def noted(self, which, trees, metadata):
        saved.append((which, metadata.step))
        add(self, which, trees, metadata)
        if (which, metadata.step) == ("latest", 6):
            raise KeyboardInterrupt

    monkeypatch.setattr(BackgroundSaves, "add", noted)
    always = replace(CONFIG, checkpoint_every_seconds=1e-9)
    with pytest.raises(KeyboardInterrupt):
        train(make_toy_stage(), always, tmp_path / "toy", mesh)
    assert [step for which, step in saved if which == "latest"] == [2, 4, 6]  # asked wherever it logs
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 6  # what was begun is ended
    train(make_toy_stage(), CONFIG, tmp_path / "toy", mesh)
    assert fingerprint(tmp_path / "toy") == fingerprint(straight_run / "toy")


def test_what_is_kept_as_best_has_the_values_of_the_stored_type(tmp_path, mesh, straight_run):
    train(make_toy_stage(), replace(CONFIG, stored_dtype="bfloat16"), tmp_path / "toy", mesh)
    exact, kept = (load_stage(run, "toy").variables["params"]["up"] for run in (straight_run, tmp_path))
    assert kept.dtype == jnp.float32
    np.testing.assert_array_equal(kept, exact.astype(jnp.bfloat16).astype(jnp.float32))
    assert not np.array_equal(kept, exact)
    # What training goes on from is not rounded.
    latest = [load_stage(run, "toy", "latest").variables["params"]["up"] for run in (straight_run, tmp_path)]
    np.testing.assert_array_equal(*latest)


def test_killed_behind_the_last_checkpoint_resumes_to_the_same_bits(tmp_path, mesh, straight_run):
    """A process that dies in step 10 leaves a checkpoint of step 8 and rows of later steps."""

    class Killed(BaseException):
        pass

    def die(variables):
        raise Killed

    stage = make_toy_stage()
    first_two = replace(stage, evaluate=TerminateAt(99, stage.evaluate))
    with pytest.raises(Killed):
        train(replace(stage, evaluate=_then(first_two.evaluate, 2, die)), CONFIG, tmp_path / "toy", mesh)
    assert rows_of(tmp_path / "toy")[-1]["step"] == 12
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 8
    train(stage, CONFIG, tmp_path / "toy", mesh)
    assert fingerprint(tmp_path / "toy") == fingerprint(straight_run / "toy")


def _then(first, calls, second):
    """Calls `first` the given number of times, then `second`."""
    remaining = iter([first] * calls)
    return lambda variables: next(remaining, second)(variables)


@pytest.fixture(scope="module")
def single_steps(tmp_path_factory, mesh):
    """Fingerprint of a run of `UNEVEN`, step by step."""
    folder = tmp_path_factory.mktemp("single_steps") / "toy"
    train(make_toy_stage(), UNEVEN, folder, mesh)
    assert [row["step"] for row in rows_of(folder) if "train/loss" in row] == [3, 6, 9, 12, 15, 18, 21, 23]
    return fingerprint(folder)


@pytest.mark.parametrize("steps_per_dispatch", [7, 100])
def test_steps_of_a_dispatch_change_no_bit_and_no_row(tmp_path, mesh, single_steps, steps_per_dispatch):
    train(make_toy_stage(), replace(UNEVEN, steps_per_dispatch=steps_per_dispatch), tmp_path / "toy", mesh)
    assert fingerprint(tmp_path / "toy") == single_steps


@pytest.mark.parametrize(("data", "steps_per_dispatch"), [("disk", 7), ("device", 1)])
def test_where_rows_lie_changes_no_bit(tmp_path, mesh, single_steps, data, steps_per_dispatch):
    config = replace(UNEVEN, data=data, steps_per_dispatch=steps_per_dispatch)
    train(make_toy_stage(), config, tmp_path / "toy", mesh)
    assert fingerprint(tmp_path / "toy") == single_steps
    assert (tmp_path / "rows").exists() == (data == "disk")


def test_sigterm_between_dispatches_is_resumed_with_other_dispatches_and_rows_elsewhere(
    tmp_path, mesh, monkeypatch, single_steps
):
    def feed(source, dispatches, original=StreamedRows.feed):
        for dispatch, fed in zip(dispatches, original(source, dispatches), strict=True):
            if dispatch.step == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield fed

    with monkeypatch.context() as patch:
        patch.setattr(StreamedRows, "feed", feed)
        with pytest.raises(TrainingInterrupted):
            train(make_toy_stage(), replace(UNEVEN, steps_per_dispatch=3), tmp_path / "toy", mesh)
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 6
    assert [row["step"] for row in rows_of(tmp_path / "toy")] == [3, 6]
    train(make_toy_stage(), replace(UNEVEN, steps_per_dispatch=7, data="device"), tmp_path / "toy", mesh)
    assert fingerprint(tmp_path / "toy") == single_steps


def test_a_finished_stage_is_recognised(mesh, straight_run, caplog):
    def fail(variables):
        raise AssertionError("a finished stage must not be evaluated again")

    with caplog.at_level(logging.INFO, logger="rsd_jax"):
        variables = train(make_toy_stage(evaluate=fail), CONFIG, straight_run / "toy", mesh)
    assert "stage toy is finished (12 steps" in caplog.text
    jax.tree.map(np.testing.assert_array_equal, variables._asdict(), load_stage(straight_run, "toy").variables)


def test_what_changes_no_result_may_change_between_two_calls(mesh, straight_run, caplog):
    config = replace(CONFIG, steps_per_dispatch=5, log_every=1, tensorboard=True, data="disk", data_threads=1)
    with caplog.at_level(logging.INFO, logger="rsd_jax"):
        train(make_toy_stage(), config, straight_run / "toy", mesh)
    assert "stage toy is finished" in caplog.text


def test_another_configuration_is_an_error_that_names_keys_and_fix(mesh, straight_run):
    stage = make_toy_stage(num_rows=51, metadata={"tokenizer_hash": "def", "width": 16})
    with pytest.raises(ConfigMismatchError) as caught:
        train(stage, replace(CONFIG, learning_rate=0.5), straight_run / "toy", mesh)
    message = str(caught.value)
    assert "training.learning_rate: 0.01 there, 0.5 now" in message
    assert "stage.tokenizer_hash: abc there, def now" in message
    assert "rows.inputs: float32[50, 4] there, float32[51, 4] now" in message
    assert "steps" not in message
    assert "choose another --config.run_dir, or move the folder away" in message


@pytest.mark.parametrize("steps_per_dispatch", [1, 4])
def test_nan_in_the_loss_stops_at_its_step_and_is_not_saved(tmp_path, mesh, steps_per_dispatch):
    @dataclass(frozen=True)
    class BreaksAtStepSeven(ToyObjective):
        def loss(self, variables, frozen, batch, key):
            output = super().loss(variables, frozen, batch, key)
            return output._replace(loss=jnp.where(variables.model_state["calls"] == 6, jnp.nan, output.loss))

    config = replace(CONFIG, steps_per_dispatch=steps_per_dispatch)
    with pytest.raises(NonFiniteMetricError, match=r"is nan at step 7") as caught:
        train(make_toy_stage(objective=BreaksAtStepSeven()), config, tmp_path / "toy", mesh)
    assert caught.value.metric in ("train/loss", "train/gradient_norm")
    assert load_stage(tmp_path, "toy", "latest").metadata.step == 4
    assert [row["step"] for row in rows_of(tmp_path / "toy") if "train/loss" in row] == [2, 4, 6]


def test_nan_in_the_evaluation_stops(tmp_path, mesh):
    stage = make_toy_stage(evaluate=lambda variables: {"mse": 1.0, "by_layer": [0.5, float("nan")]})
    with pytest.raises(NonFiniteMetricError, match="'heldout/by_layer/1' is nan at step 4"):
        train(stage, CONFIG, tmp_path / "toy", mesh)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, mesh):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        train(make_toy_stage(), CONFIG, tmp_path / "file" / "toy", mesh)


def test_a_damaged_latest_checkpoint_is_told_before_any_step(tmp_path, mesh, straight_run):
    shutil.copytree(straight_run / "toy", tmp_path / "toy")
    (tmp_path / "toy" / "metrics.json").unlink()
    (tmp_path / "toy" / "latest" / "00000012" / "metadata.json").write_text("{")
    with pytest.raises(ValueError, match=r"latest/00000012 is damaged: metadata.json is not valid JSON"):
        train(make_toy_stage(), CONFIG, tmp_path / "toy", mesh)
