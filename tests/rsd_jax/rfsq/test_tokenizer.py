import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.checkpoints import CheckpointError
from rsd_jax.checkpoints.array_file import read_array_file, write_array_file
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.rfsq import MlpAutoencoder, RepetitionFrame, RfsqTokenizer, TokenFormatError, make_strategy, make_table
from rsd_jax.rfsq import tokenizer as tokenizer_module

ACTIONS = np.random.default_rng(0).uniform(-0.8, 0.8, (100, 7)).astype(np.float32) * np.float32(
    [1, 1, 1, 0.1, 0.2, 0.3, 1]
)
ACTIONS[:, -1] = np.sign(ACTIONS[:, -1])


def _tokenizer(name: str) -> RfsqTokenizer:
    normalizer = ActionNormalizer.from_actions(ACTIONS)
    if name == "staggered":
        autoencoder, params = RepetitionFrame(), {}
    else:
        autoencoder = MlpAutoencoder(hidden_features=16, has_linear_path=name == "nested")
        params = meta.unbox(autoencoder.init(jax.random.key(0)))
    if name == "layernorm":
        table = make_table(jnp.full((8, 16), 0.01), 0.3 * 0.4 ** jnp.arange(8.0)[:, None] * jnp.ones((8, 16)), 7)
    else:
        strategy = make_strategy(name)
        table = strategy.table(strategy.init())
    return RfsqTokenizer(params, table, normalizer, autoencoder, chunk_length=8)


TOKENIZERS = {name: _tokenizer(name) for name in ("layernorm", "nested", "staggered")}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> RfsqTokenizer:
    return TOKENIZERS[request.param]


def _random_tokens(seed: int, batch: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 7, (batch, 8, 16, 8))


def test_tokens_are_int32_of_the_documented_shape(tokenizer: RfsqTokenizer) -> None:
    tokens = tokenizer.tokenize(np.zeros((3, 8, 7), np.float32))
    assert tokens.shape == (3, 8, 16, 8)
    assert tokens.dtype == jnp.int32


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_token_string_decodes_to_executable_actions(name: str, seed: int) -> None:
    tokenizer = TOKENIZERS[name]
    actions = np.asarray(tokenizer.detokenize(_random_tokens(seed)))
    low = tokenizer.normalizer.center - tokenizer.normalizer.half_range
    high = tokenizer.normalizer.center + tokenizer.normalizer.half_range
    assert np.isfinite(actions).all()
    assert set(np.unique(actions[..., -1])) <= {-1.0, 1.0}
    assert (actions >= low - 1e-6).all()
    assert (actions <= high + 1e-6).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), depth=st.integers(0, 8))
@pytest.mark.parametrize("name", TOKENIZERS)
def test_no_later_layer_changes_an_action_by_more_than_the_error_bound(name: str, seed: int, depth: int) -> None:
    tokenizer = TOKENIZERS[name]
    tokens = _random_tokens(seed)
    change = jnp.abs(tokenizer.detokenize(tokens) - tokenizer.detokenize(tokens, depth)).max(axis=(0, 1))
    assert bool((change <= _bound(name, depth) + 1e-6).all())


_BOUNDS: dict[tuple[str, int], jax.Array] = {}


def _bound(name: str, depth: int) -> jax.Array:
    if (name, depth) not in _BOUNDS:
        _BOUNDS[name, depth] = TOKENIZERS[name].error_bound(depth)
    return _BOUNDS[name, depth]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_error_bound_falls_to_zero_and_knows_the_gripper(name: str) -> None:
    bounds = np.stack([_bound(name, depth) for depth in range(9)])
    assert (np.diff(bounds, axis=0) <= 1e-9).all()
    np.testing.assert_array_equal(bounds[8], 0)
    assert set(np.unique(bounds[:, -1])) <= {0.0, 2.0}
    assert (bounds[0, :-1] <= 2 * np.asarray(TOKENIZERS[name].normalizer.half_range)[:-1] + 1e-6).all()


@pytest.mark.parametrize("depth", [-1, 9])
def test_an_error_bound_of_layers_that_do_not_exist(depth: int) -> None:
    with pytest.raises(ValueError, match=f"num_layers is {depth}; it must be between 0 and 8"):
        TOKENIZERS["staggered"].error_bound(depth)


def test_a_round_trip_is_within_half_a_cell_and_keeps_the_gripper() -> None:
    actions = np.random.default_rng(1).uniform(-0.8, 0.8, (64, 8, 7)).astype(np.float32) * ACTIONS.max(0) / 0.8
    tokenizer = TOKENIZERS["staggered"]
    decoded = np.asarray(tokenizer.detokenize(tokenizer.tokenize(actions)))
    half_cells = np.float32([1 / 75] * 3 + [1 / 58] * 3) / 2 * np.asarray(tokenizer.normalizer.half_range)[:6]
    assert (np.abs(decoded - actions)[..., :6] <= half_cells * (1 + 1e-3) + 1e-6).all()
    np.testing.assert_array_equal(decoded[..., 6], np.where(actions[..., 6] >= 0, 1, -1))


def test_prefixes_lower_the_error_on_average(tokenizer: RfsqTokenizer) -> None:
    latents = jnp.asarray(np.random.default_rng(2).uniform(-0.8, 0.8, (64, 8, 7)), jnp.float32)
    actions = tokenizer.normalizer.denormalize(latents)
    tokens = tokenizer.tokenize(actions)
    reference = tokenizer.detokenize(tokens)  # an untrained MLP reconstructs nothing; its own prefixes do converge
    errors = [float(jnp.mean((tokenizer.detokenize(tokens, m) - reference)[..., :6] ** 2)) for m in range(9)]
    assert all(later <= earlier * 1.02 for earlier, later in pairwise(errors))


def test_rows_of_a_batch_are_independent(tokenizer: RfsqTokenizer) -> None:
    actions = np.random.default_rng(3).uniform(-1, 1, (5, 8, 7)).astype(np.float32)
    np.testing.assert_array_equal(tokenizer.tokenize(actions)[3], tokenizer.tokenize(actions[::-1])[1])


@pytest.mark.parametrize("shape", [(2, 7, 7), (2, 8, 6), (8, 7)])
def test_wrong_chunk_length_or_action_dimension_is_named(tokenizer: RfsqTokenizer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"this tokenizer takes \[B, 8, 7\]"):
        tokenizer.tokenize(np.zeros(shape, np.float32))


def test_hash_sees_every_part() -> None:
    tokenizer = TOKENIZERS["layernorm"]
    others = [
        tokenizer.replace(chunk_length=4),
        tokenizer.replace(table=tokenizer.table.replace(offset=tokenizer.table.offset.at[7, 3].add(1e-6))),
        tokenizer.replace(table=tokenizer.table.replace(fold=tokenizer.table.fold.at[7, 3].set(True))),
        tokenizer.replace(table=tokenizer.table.replace(mode=tokenizer.table.mode.at[7, 3].set(1))),
        tokenizer.replace(normalizer=tokenizer.normalizer.replace(center=tokenizer.normalizer.center.at[0].add(1e-6))),
        tokenizer.replace(params=jax.tree.map(lambda p: p + 1e-6, tokenizer.params)),
    ]
    hashes = {tokenizer.token_hash, *(other.token_hash for other in others)}
    assert len(hashes) == 7
    assert tokenizer.replace().token_hash == tokenizer.token_hash


def test_a_saved_tokenizer_keeps_every_token(tokenizer: RfsqTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "t.safetensors")
    loaded = RfsqTokenizer.load(tmp_path / "t.safetensors")
    assert loaded.token_hash == tokenizer.token_hash
    actions = np.random.default_rng(4).uniform(-1, 1, (32, 8, 7)).astype(np.float32)
    np.testing.assert_array_equal(loaded.tokenize(actions), tokenizer.tokenize(actions))
    np.testing.assert_array_equal(loaded.detokenize(_random_tokens(5)), tokenizer.detokenize(_random_tokens(5)))
    assert [path.name for path in tmp_path.iterdir()] == ["t.safetensors"]


def test_a_stage_folder_with_a_dot_in_its_name_and_a_file_without_are_what_they_are(tmp_path: Path) -> None:
    shutil.copytree(PRETRAINED / "rfsq", tmp_path / "rfsq.old")
    tokenizer = RfsqTokenizer.load(tmp_path / "rfsq.old")
    tokenizer.save(tmp_path / "tokenizer")
    assert RfsqTokenizer.load(tmp_path / "tokenizer").token_hash == tokenizer.token_hash
    with pytest.raises(CheckpointError, match=r"no checkpoint of stage 'rfsq.new'"):
        RfsqTokenizer.load(tmp_path / "rfsq.new")


def test_files_that_hold_no_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"missing.safetensors cannot be read"):
        RfsqTokenizer.load(tmp_path / "missing.safetensors")
    with pytest.raises(CheckpointError, match=r"launch.train --config configs/rfsq.py"):
        RfsqTokenizer.load(tmp_path / "rfsq")
    TOKENIZERS["nested"].save(tmp_path / "t.safetensors")
    content = (tmp_path / "t.safetensors").read_bytes()
    (tmp_path / "short.safetensors").write_bytes(content[:-10])
    with pytest.raises(CheckpointError, match=r"short.safetensors cannot be read"):
        RfsqTokenizer.load(tmp_path / "short.safetensors")
    monkeypatch.setattr(tokenizer_module, "TOKEN_FORMAT", 3)
    with pytest.raises(TokenFormatError, match="has token format 2; this version reads 3"):
        RfsqTokenizer.load(tmp_path / "t.safetensors")


def test_importing_the_tokenizer_alone_loads_no_simulator_and_no_hub() -> None:
    heavy = ("libero", "mujoco", "torch", "transformers")
    code = f"import sys, rsd_jax.rfsq; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_shipped_tokenizer_is_not_read_with_another_digit(tmp_path: Path) -> None:
    shutil.copytree(PRETRAINED / "rfsq", tmp_path / "rfsq")
    (manifest,) = (tmp_path / "rfsq").glob("best/*/metadata.json")
    manifest.write_text(manifest.read_text().replace("0.33299848437309265", "0.43299848437309265", 1))
    with pytest.raises(CheckpointError, match=r"rfsq/best/00000001 is damaged: metadata.json is altered"):
        RfsqTokenizer.load(tmp_path / "rfsq")


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda arrays, layout: arrays.pop("normalizer"), "it has no 'normalizer'"),
        (lambda arrays, layout: arrays["table"].pop("fold"), "it has no 'fold'"),
        (
            lambda arrays, layout: arrays["table"].update(step=np.zeros((7, 16), np.float32)),
            r"float32\(7, 16\); it",
        ),
        (lambda arrays, layout: arrays["normalizer"].update(center=np.full(7, np.nan)), "center holds numbers that"),
        (lambda arrays, layout: layout.pop("num_layers"), "it has no 'num_layers'"),
        (lambda arrays, layout: layout.pop("autoencoder"), "it has no 'autoencoder'"),
        (lambda arrays, layout: layout["autoencoder"].update(kind="unheard_of"), "unheard_of"),
        (lambda arrays, layout: layout.update(num_levels="7"), "num_levels is '7'"),
        (lambda arrays, layout: layout.update(chunk_length=0), "chunk_length is 0"),
    ],
)
def test_parts_that_no_tokenizer_has_are_named(tmp_path: Path, edit: Callable[..., None], named: str) -> None:
    TOKENIZERS["staggered"].save(tmp_path / "t.safetensors")
    layout, arrays = read_array_file(tmp_path / "t.safetensors")
    edit(arrays, layout)
    write_array_file(tmp_path / "t.safetensors", arrays, layout)
    with pytest.raises(CheckpointError, match=f"t.safetensors holds no tokenizer: .*{named}"):
        RfsqTokenizer.load(tmp_path / "t.safetensors")
