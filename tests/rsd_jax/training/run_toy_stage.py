"""Trains the toy stage in a process of its own, once straight and once interrupted by SIGTERM and resumed
with another number of steps a dispatch and its rows in another place.

    python -m tests.rsd_jax.training.run_toy_stage FOLDER

The processes of a run find each other by the variables of `rsd_jax.distributed.hosts`; parameters are split over all
their devices. SIGTERM reaches only the last process. Also writes the global batches to ``FOLDER/batches.npy``, and to
``FOLDER/errors_PROCESS.json`` what the process raises in a folder that is in use, and where the last process's disk
is full.
"""

import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from rsd_jax.distributed import hosts
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.folder_lock import in_use
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.row_sources import Dispatch, RowOrder, StreamedRows
from rsd_jax.training.train_loop import TrainingInterrupted, train
from tests.rsd_jax.training.row_sources.all_sources import compare_all
from tests.rsd_jax.training.toy_stage import make_toy_stage

CONFIG = TrainingConfig(
    steps=20,
    batch_size=8,
    learning_rate=1e-2,
    warmup_steps=2,
    ema_decay=0.9,
    evaluate_every=8,
    checkpoint_every=5,
    log_every=4,
    steps_per_dispatch=3,
)


def main(folder: Path) -> None:
    """Runs everything; the files are the result."""
    hosts.initialise()
    mesh = make_mesh(MeshConfig(data=1, fsdp=-1))
    compare_all(folder, mesh)
    stage = make_toy_stage()

    order = RowOrder(len(stage.rows["inputs"]), CONFIG.batch_size, CONFIG.seed)
    feed = StreamedRows(stage.rows, order, mesh, num_threads=2).feed([Dispatch(s, 1) for s in range(CONFIG.steps)])
    values = [hosts.fetch(batch)["inputs"] for batch in feed]
    if hosts.is_primary():
        np.save(folder / "batches.npy", np.asarray(values))

    train(stage, CONFIG, folder / "straight" / "toy", mesh)

    def evaluate_under_sigterm(variables):
        if jax.process_index() == jax.process_count() - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return stage.evaluate(variables)

    def error_of_training(name, config=CONFIG):
        try:
            train(stage, config, folder / name / "toy", mesh)
        except ValueError as error:
            return f"{type(error).__name__}: {error}"
        raise AssertionError("the run was not stopped")

    with in_use(folder / "taken" / "toy") if hosts.is_primary() else nullcontext():
        errors = [error_of_training("taken")]

    try:
        train(replace(stage, evaluate=evaluate_under_sigterm), CONFIG, folder / "resumed" / "toy", mesh)
    except TrainingInterrupted:
        config = replace(CONFIG, steps_per_dispatch=1, data="device")
        train(stage, config, folder / "resumed" / "toy", mesh)
    else:
        raise AssertionError("SIGTERM did not interrupt the run")

    with full_disk() if jax.process_index() == jax.process_count() - 1 else nullcontext():
        errors.append(error_of_training("full", replace(CONFIG, log_every=100)))
    (folder / f"errors_{jax.process_index()}.json").write_text(json.dumps(errors))
    hosts.leave()


@contextmanager
def full_disk() -> Iterator[None]:
    """A limit on the size of files stands in for it: a configuration fits, arrays do not."""
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main(Path(sys.argv[1]))
