"""Every format that is read again: how a small intact example of it is made, and what a reader gets of one."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from eval_bridge.evaluation.episode_log import EpisodeLog, EpisodeLogError, read_episode_log
from rsd_jax.checkpoints import CheckpointError
from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.formats import SOURCE_FORMATS, TARGET_FORMATS
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, write_episode
from rsd_jax.demos.rlds import RldsDemos
from rsd_jax.demos.task_names import TaskNaming
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models.original_checkpoint import load_original
from tests.eval_bridge.evaluation.log_examples import IDENTITY, make_log, make_record
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo
from tests.rsd_jax.demos.golden_datasets import GOLDEN, RLDS

ORIGINAL = Path(__file__).parents[1] / "parity" / "golden" / "naive.pt"

Content = Any
"""What a reader got: a tree of arrays and values, compared leaf by leaf."""


class Format(NamedTuple):
    """A format and what it promises.

    Attributes:
        make: writes an intact example into an empty folder.
        read: reads all of it.
        errors: what a reader may raise for a damaged one, by which the file is named.
        is_ours: whether this project writes it, so that no alteration may pass for the truth.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], Content]
    errors: tuple[type[Exception], ...]
    is_ours: bool


def _demos(dataset: DemoDataset) -> Content:
    return [dataclasses.asdict(demo) for demo in dataset]


def _copied(source: Path) -> Callable[[Path], None]:
    return lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True)


def _write_lerobot(folder: Path) -> None:
    writer, parts = TARGET_FORMATS["lerobot"](), [folder / f"part_{seed}" for seed in (0, 1)]
    for seed, part in enumerate(parts):
        part.mkdir()
        writer.write_part(part, example_demo(seed))
    (folder / "dataset").mkdir()
    writer.assemble(parts, folder / "dataset")
    for part in parts:
        shutil.rmtree(part)


def _write_hdf5(folder: Path) -> None:
    scene = SceneDescription(bddl_file_content="(define (problem ...))" * 20)
    write_episode(folder / "task_demo.hdf5", example_demo(0, **WITHOUT_FRAMES), scene, EpisodeDescription())


def _copy_tokenizer_stage(folder: Path) -> None:
    shutil.copytree(PRETRAINED / "rfsq", folder / "rfsq")


def _save_tokenizer(folder: Path) -> None:
    RfsqTokenizer.load(PRETRAINED / "rfsq").save(folder / "tokenizer.safetensors")


def _numbers(tokenizer: RfsqTokenizer) -> Content:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tokenizer)]


def _write_log(folder: Path) -> None:
    contents = make_log(make_record(0, 0, True), make_record(1, 0, False))
    assert contents.latency is not None
    with EpisodeLog(folder / "episodes.jsonl", IDENTITY) as log:
        for record in (*contents.sessions, *contents.episodes.values(), contents.latency):
            log.append(record)


def _copy_original(folder: Path) -> None:
    shutil.copy(ORIGINAL, folder)


def _read_original(folder: Path) -> Content:
    found = load_original(folder / ORIGINAL.name)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(found.params)]


_DEMO_ERRORS = (DemoFileError, FileNotFoundError)

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "libero_hdf5": Format(
            _write_hdf5, lambda f: _demos(SOURCE_FORMATS["libero_hdf5"].open(f)), _DEMO_ERRORS, is_ours=True
        ),
        "lerobot_written": Format(
            _write_lerobot, lambda f: _demos(SOURCE_FORMATS["lerobot"].open(f / "dataset")), _DEMO_ERRORS, is_ours=True
        ),
        "checkpoint": Format(
            _copy_tokenizer_stage,
            lambda f: _numbers(RfsqTokenizer.load(f / "rfsq")),
            (CheckpointError,),
            is_ours=True,
        ),
        "tokenizer_file": Format(
            _save_tokenizer,
            lambda f: _numbers(RfsqTokenizer.load(f / "tokenizer.safetensors")),
            (CheckpointError,),
            is_ours=True,
        ),
        "episode_log": Format(
            _write_log, lambda f: read_episode_log(f / "episodes.jsonl"), (EpisodeLogError,), is_ours=True
        ),
        "rlds": Format(
            _copied(RLDS),
            lambda f: _demos(RldsDemos.open(f, naming=TaskNaming("libero_spatial"))),
            _DEMO_ERRORS,
            is_ours=False,
        ),
        "lerobot_v2.1": Format(
            _copied(GOLDEN / "lerobot_v2.1"),
            lambda f: _demos(SOURCE_FORMATS["lerobot"].open(f, naming=TaskNaming("libero_spatial"))),
            _DEMO_ERRORS,
            is_ours=False,
        ),
        "lerobot_v3.0": Format(
            _copied(GOLDEN / "lerobot_v3.0"),
            lambda f: _demos(SOURCE_FORMATS["lerobot"].open(f, naming=TaskNaming("libero_spatial"))),
            _DEMO_ERRORS,
            is_ours=False,
        ),
        "torch": Format(
            _copy_original,
            _read_original,
            (ValueError,),
            is_ours=False,
        ),
    }
)
"""Name -> format."""
