"""The only training loop: any stage, one CPU or many hosts, resumable to the last bit."""

import logging
import math
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax.serialization import to_state_dict
from jax.sharding import Mesh
from tqdm import tqdm

from rsd_jax.array_types import PyTree
from rsd_jax.atomic_files import write_json
from rsd_jax.checkpoints import CheckpointMetadata, StageCheckpoints
from rsd_jax.checkpoints.metadata import json_value
from rsd_jax.content_check import write_checked_json
from rsd_jax.distributed import hosts
from rsd_jax.distributed.sharding_rules import state_shardings
from rsd_jax.folder_lock import in_use
from rsd_jax.run_folder import METRICS_NAME, ROWS_FOLDER
from rsd_jax.training.background_saves import BackgroundSaves
from rsd_jax.training.configuration import WITHOUT_INFLUENCE, TrainingConfig
from rsd_jax.training.dispatches import plan_dispatches
from rsd_jax.training.metric_log import MetricLog, NonFiniteMetricError, require_finite
from rsd_jax.training.objectives.interface import Stage, Variables
from rsd_jax.training.objectives.on_rows import Constants, OnRows
from rsd_jax.training.row_sources import Dispatch, RowOrder, count_rows, open_rows
from rsd_jax.training.start_up import StartUp
from rsd_jax.training.train_state import (
    TrainState,
    abstract_train_state,
    create_train_state,
    from_checkpoint,
    rounded,
    to_checkpoint,
)
from rsd_jax.training.train_step import Metrics, make_optimizer, make_stacked_train_step, make_train_step

logger = logging.getLogger(__name__)

TERMINATED = 128 + 15
"""Exit status of a process ended by SIGTERM, as shells and schedulers report it."""


class TrainingInterrupted(SystemExit):
    """SIGTERM arrived and the latest state is saved; the same command goes on from there."""


class ConfigMismatchError(ValueError):
    """The folder holds a run of another configuration."""


def train(
    stage: Stage, config: TrainingConfig, output_dir: Path, mesh: Mesh, start_up: StartUp | None = None
) -> Variables:
    """Trains a stage, or goes on with it, or recognises that it is finished.

    Args:
        stage: objective, data and evaluation.
        config: optimisation and bookkeeping.
        output_dir: the stage's folder; gets ``config.json``, ``metrics.jsonl``, ``best/``, ``latest/`` and at the end
            ``metrics.json`` (evaluation of the best variables, and ``training``: facts of the run).
        mesh: of `rsd_jax.distributed.mesh.make_mesh`.
        start_up: of this process, which is noted on and told of behind the first step.

    Returns:
        The best variables by held-out evaluation, as nested dicts, sharded as the run's state is.

    Raises:
        ConfigMismatchError: `output_dir` holds a run of another configuration.
        InUseError: another training writes there; the other processes of this run raise `OtherProcessFailed`.
        NonFiniteMetricError: a metric became NaN or infinite.
        TrainingInterrupted: SIGTERM; the latest state is saved.
        CheckpointError: a checkpoint cannot be written or read.
        OSError: `output_dir` cannot be made or written.
    """
    checkpoints = StageCheckpoints(output_dir)
    run = run_description(stage, config)
    if _is_finished(checkpoints, run, config):
        logger.info("stage %s is finished (%d steps in %s): nothing to train", stage.name, config.steps, output_dir)
        return load_best(stage, checkpoints, mesh)
    with ExitStack() as use:
        with hosts.all_or_none(f"taking {output_dir}"):
            if hosts.is_primary():
                use.enter_context(in_use(output_dir))
        _is_finished(checkpoints, run, config)  # checks once more what another training may have left since
        with hosts.all_or_none(f"making {output_dir}"):
            if hosts.is_primary():
                output_dir.mkdir(parents=True, exist_ok=True)
                write_json(output_dir / "config.json", {**run, "training": asdict(config)})
        return _Run(stage, config, output_dir, mesh, checkpoints, run, start_up or StartUp()).finish()


def _is_finished(checkpoints: StageCheckpoints, run: dict[str, Any], config: TrainingConfig) -> bool:
    """Whether the folder holds the whole of this run; raises `ConfigMismatchError` where it holds another."""
    with hosts.all_or_none(f"reading {checkpoints.directory}"):  # by all of them, before one writes there
        latest = checkpoints.read_metadata("latest")
        if latest is not None:
            _require_same_run(latest.config, run, checkpoints.directory)
        has_all = latest is not None and latest.step == config.steps
        is_finished = has_all and (checkpoints.directory / METRICS_NAME).exists()
    return hosts.everywhere(is_finished)  # a network file system may show them different things


def load_best(stage: Stage, checkpoints: StageCheckpoints, mesh: Mesh) -> Variables:
    """The best variables of a stage: every device of `mesh` reads its part of them."""
    shapes = jax.eval_shape(stage.objective.init, jax.random.key(0))
    shardings = to_state_dict(state_shardings(shapes._asdict(), mesh))
    return Variables(**checkpoints.load_variables("best", shardings))


def run_description(stage: Stage, config: TrainingConfig) -> dict[str, Any]:
    """What must be equal for a run to be continued: the configuration, the stage's facts, the shapes of its data.

    Of the configuration only what influences results, so that bookkeeping can change on the way.
    """
    training = {name: value for name, value in asdict(config).items() if name not in WITHOUT_INFLUENCE}
    rows = {name: f"{array.dtype}{list(array.shape)}" for name, array in stage.rows.items()}
    # By its digest alone: the run that it is of may have moved.
    began = {"start_from": stage.parts[-1]["checkpoint"]} if stage.parts else {}
    return json_value({"training": training, "stage": stage.metadata, "rows": rows, **began})


def _require_same_run(saved: dict[str, Any], given: dict[str, Any], output_dir: Path) -> None:
    before, now = dict(_flatten(saved)), dict(_flatten(given))
    missing = object()
    # A run of an earlier version may have saved these.
    compared = [key for key in {**before, **now} if key not in {f"training.{name}" for name in WITHOUT_INFLUENCE}]
    different = [key for key in compared if before.get(key, missing) != now.get(key, missing)]
    if different:
        changes = "\n".join(f"    {key}: {before.get(key)} there, {now.get(key)} now" for key in different)
        raise ConfigMismatchError(
            f"{output_dir} holds a run of another configuration:\n{changes}\n"
            "Give the old values to continue it, choose another --config.run_dir, or move the folder away to start "
            "anew"
        )


def _flatten(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        leaves += _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return leaves


class _Run:
    """One call of `train` that has something to do."""

    def __init__(
        self,
        stage: Stage,
        config: TrainingConfig,
        output_dir: Path,
        mesh: Mesh,
        checkpoints: StageCheckpoints,
        description: dict[str, Any],
        start_up: StartUp,
    ) -> None:
        self._stage, self._config, self._output_dir, self._mesh = stage, config, output_dir, mesh
        self._checkpoints, self._description = checkpoints, description
        self._saves, self._start_up = BackgroundSaves(checkpoints), start_up
        optimizer = make_optimizer(config, stage.moments_dtype)
        self._state, shardings, self._step, self._seconds_before = self._begin(optimizer)
        frozen = hosts.replicate(stage.frozen, mesh)
        start_up.note("state")
        # Last of all that stays on the devices: rows are only placed there if they fit beside it.
        order = RowOrder(count_rows(stage.rows), config.batch_size, config.seed)
        folder = output_dir.parent / ROWS_FOLDER
        self._rows = open_rows(config.data, stage.rows, order, mesh, config.data_threads, folder, stage.name)
        self._constants = Constants(self._rows.resident, frozen)
        start_up.note("rows")
        objective = OnRows(stage.objective, self._rows)
        self._train_step = make_train_step(objective, optimizer, config, shardings, mesh)
        self._stacked_train_step = make_stacked_train_step(objective, optimizer, config, shardings, mesh)
        # Evaluated and saved where they are: no device ever holds more than its part of them.
        self._round = jax.jit(partial(rounded, dtype=config.stored_dtype), out_shardings=shardings.evaluated)
        self._saves.prepare({"variables": self._round(self._state.evaluated)._asdict()}, to_checkpoint(self._state))
        self._first_step, self._saved_step = self._step, self._step or None
        start_up.note("state")
        self._best_value = self._best_value_until(self._step)
        self._start = self._saved_at = time.monotonic()
        self._previous_step = self._checked_step = self._step
        self._pending: list[Metrics] = []

    def _begin(self, optimizer: optax.GradientTransformation) -> tuple[TrainState, PyTree, int, float]:
        """The state to go on from, its shardings, the steps that it has behind it, and their seconds."""
        stage, has_average = self._stage, self._config.ema_decay > 0
        latest = self._checkpoints.read_metadata("latest")
        if latest is None:
            given = None if stage.starts_from is None else stage.starts_from()
            made = create_train_state(stage.objective, optimizer, has_average, self._config.seed, self._mesh, given)
            return (*made, 0, 0.0)
        logger.info("stage %s goes on at step %d of %s", stage.name, latest.step, self._output_dir)
        # In the place of a state that was never drawn: a large one would not lie on the devices twice.
        like, shardings = abstract_train_state(stage.objective, optimizer, has_average, self._mesh)
        restored = from_checkpoint(self._checkpoints.restore("latest", like=to_checkpoint(like)))
        return restored, shardings, latest.step, latest.seconds

    def _best_value_until(self, step: int) -> float:
        """Best value so far. A best checkpoint from behind `step` will be found again, at the same step."""
        best = self._checkpoints.read_metadata("best")
        return math.inf if best is None or best.step > step else best.metrics[self._stage.best_metric]

    def finish(self) -> Variables:
        """Runs the remaining steps and writes ``metrics.json``."""
        config = self._config
        with hosts.all_or_none("opening the log of metrics"):
            self._log = MetricLog(self._output_dir, self._step, hosts.is_primary(), config.tensorboard)
        self._bar = tqdm(
            total=config.steps,
            initial=self._step,
            desc=self._stage.name,
            unit="step",
            disable=not hosts.is_primary(),
            mininterval=0.2 if sys.stderr.isatty() else 30.0,
        )
        try:
            plan = plan_dispatches(self._step, config)
            with (
                self._saves,
                hosts.TerminationSignal() as termination,
                closing(self._rows.feed(plan)) as feed,
                hosts.taking_steps(),
            ):
                try:
                    for dispatch, fed in zip(plan, feed, strict=True):
                        self._advance(dispatch, fed)
                        if self._step < config.steps and termination.received(synchronise=self._due(config.log_every)):
                            self._interrupt()
                except NonFiniteMetricError:  # which all processes raise: what was saved before lasts
                    self._saves.finish()
                    raise
                self._saves.finish()
        finally:
            self._bar.close()
            self._log.close()
        return self._summarise()

    def _advance(self, dispatch: Dispatch, fed: PyTree) -> None:
        """One dispatch: one call of a compiled program."""
        step = self._previous_step = self._step
        assert dispatch.step == step, f"{dispatch} at step {step}"
        train_step = self._train_step if dispatch.num_steps == 1 else self._stacked_train_step
        with hosts.waiting():
            self._state, metrics = train_step(self._state, self._constants, fed)
        if step == self._first_step:
            self._tell_of_start(metrics)
        self._step += dispatch.num_steps
        self._pending.append(metrics)
        self._bar.update(self._step - step)
        # The newest dispatch is left to run while its predecessors are logged.
        if step // self._config.log_every > self._checked_step // self._config.log_every:
            self._settle(leave=1)
        if self._due(self._config.evaluate_every):
            self._evaluate()
        if self._due(self._config.checkpoint_every) or self._is_time_to_save():
            self._save_latest()
        elif jax.process_count() == 1 or self._due(self._config.log_every):  # where several ask each other anyway
            self._saves.advance()

    def _tell_of_start(self, metrics: Metrics) -> None:
        self._start_up.note("compilation")
        jax.block_until_ready(metrics)
        self._start_up.note("first step")
        logger.info("stage %s: %s", self._stage.name, self._start_up)

    def _is_time_to_save(self) -> bool:
        """Whether the timer says so, by the primary process's clock; asked where all processes log."""
        if not self._due(self._config.log_every):
            return False
        return hosts.from_primary(time.monotonic() - self._saved_at) >= self._config.checkpoint_every_seconds

    def _due(self, every: int) -> bool:
        """Whether the last dispatch reached the end or a multiple of `every`."""
        return self._step // every > self._previous_step // every or self._step == self._config.steps

    def _settle(self, leave: int = 0) -> None:
        """Fetches the metrics of all dispatches but the newest `leave`, checks every step and logs some.

        Fetching waits for the device, so it is done only now and then, but no step goes unchecked.
        """
        settled = len(self._pending) - leave
        ready, self._pending = self._pending[:settled], self._pending[settled:]
        with hosts.waiting():
            ready = jax.device_get(ready)
        for fetched in ready:
            # [1] from a single step, [steps] from several.
            metrics = {f"train/{name}": np.atleast_1d(values) for name, values in sorted(fetched.items())}
            all_finite = all(np.isfinite(values).all() for values in metrics.values())
            for index in range(len(metrics["train/loss"])):
                step = self._checked_step + 1
                is_logged = step % self._config.log_every == 0 or step == self._config.steps
                if is_logged or not all_finite:
                    row = {name: float(values[index]) for name, values in metrics.items()}
                    require_finite(row, step)
                    if is_logged:
                        self._write_metrics(step, row)
                self._checked_step = step

    def _write_metrics(self, step: int, metrics: dict[str, float]) -> None:
        self._bar.set_postfix(loss=f"{metrics['train/loss']:.4g}", refresh=False)
        self._log.write(step, {**metrics, "seconds": round(self._seconds(), 3)})

    def _evaluate(self) -> None:
        self._settle()
        variables = self._round(self._state.evaluated)
        with hosts.waiting():
            result = json_value(self._stage.evaluate(variables))
        require_finite({f"heldout/{name}": value for name, value in result.items()}, self._step)
        self._log.write(self._step, {f"heldout/{name}": value for name, value in result.items()})
        value = hosts.from_primary(result[self._stage.best_metric])
        if value < self._best_value:
            self._best_value = value
            self._saves.add("best", {"variables": variables._asdict()}, self._metadata(result))

    def _save_latest(self) -> None:
        self._settle()
        self._saved_at = time.monotonic()
        if self._saved_step == self._step:  # remembered: not all processes may see the same in the folder
            return
        self._saves.add("latest", to_checkpoint(self._state), self._metadata({}))
        self._saved_step = self._step

    def _interrupt(self) -> None:
        self._save_latest()
        self._saves.finish()
        logger.warning("SIGTERM: state of step %d saved in %s; the same command goes on", self._step, self._output_dir)
        raise TrainingInterrupted(TERMINATED)

    def _summarise(self) -> Variables:
        best = self._checkpoints.read_metadata("best")
        assert best is not None, "the last step always evaluates, and the first evaluation is always the best so far"
        with hosts.all_or_none(f"finishing {self._output_dir}"):
            if hosts.is_primary():
                devices = jax.devices()
                facts = {
                    "steps": self._config.steps,
                    "best_step": best.step,
                    "seconds": round(self._seconds(), 1),
                    "device": devices[0].device_kind,
                    "num_devices": len(devices),
                    "num_processes": jax.process_count(),
                    "longest_save_stop": round(self._saves.longest_stop, 4),
                    "start": {phase: round(seconds, 2) for phase, seconds in self._start_up.seconds.items()},
                    **({"parts": list(self._stage.parts)} if self._stage.parts else {}),
                }
                write_checked_json(self._output_dir / METRICS_NAME, {**best.metrics, "training": facts})
        return load_best(self._stage, self._checkpoints, self._mesh)

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._start

    def _metadata(self, metrics: dict[str, Any]) -> CheckpointMetadata:
        return CheckpointMetadata(
            stage=self._stage.name,
            step=self._step,
            config=self._description,
            facts=json_value(self._stage.metadata),
            metrics=metrics,
            seconds=round(self._seconds(), 3),
            parts=[dict(part) for part in self._stage.parts],
        )
