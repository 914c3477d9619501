import re
import shutil
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.checkpoints import CheckpointError
from rsd_jax.checkpoints.array_file import read_array_file, write_array_file
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.rfsq import (
    MlpAutoencoder,
    RepetitionFrame,
    RfsqTokenizer,
    TokenFormatError,
    make_strategy,
    make_table,
    to_flat,
)
from rsd_jax.rfsq import tokenizer as tokenizer_module
from tests.rsd_jax.random_params import initialised

ACTIONS = np.random.default_rng(0).uniform(-0.8, 0.8, (100, 7)).astype(np.float32) * np.float32(
    [1, 1, 1, 0.1, 0.2, 0.3, 1]
)
ACTIONS[:, -1] = np.sign(ACTIONS[:, -1])


BATCH = 16
"""Chunks wherever their number is not what is tested: every other one compiles every operation again."""


@cache
def _tokenizer(name: str) -> RfsqTokenizer:
    normalizer = ActionNormalizer.from_actions(ACTIONS)
    if name == "staggered":
        autoencoder, params = RepetitionFrame(), {}
    else:
        autoencoder = MlpAutoencoder(hidden_features=16, has_linear_path=name == "nested")
        params = initialised(autoencoder.init, 0)
    if name == "layernorm":
        table = make_table(jnp.full((8, 16), 0.01), 0.3 * 0.4 ** jnp.arange(8.0)[:, None] * jnp.ones((8, 16)), 7)
    else:
        strategy = make_strategy(name)
        table = strategy.table(strategy.init())
    return RfsqTokenizer(params, table, normalizer, autoencoder, chunk_length=8)


TOKENIZERS = ("layernorm", "nested", "staggered")


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> RfsqTokenizer:
    return _tokenizer(request.param)


def _random_tokens(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 7, (BATCH, 8, 16, 8))


def test_tokens_are_int32_of_the_documented_shape(tokenizer: RfsqTokenizer) -> None:
    tokens = tokenizer.tokenize(np.zeros((BATCH, 8, 7), np.float32))
    assert tokens.shape == (BATCH, 8, 16, 8)
    assert tokens.dtype == jnp.int32


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_token_string_decodes_to_executable_actions(name: str, seed: int) -> None:
    tokenizer = _tokenizer(name)
    actions = np.asarray(tokenizer.detokenize(_random_tokens(seed)))
    low = tokenizer.normalizer.center - tokenizer.normalizer.half_range
    high = tokenizer.normalizer.center + tokenizer.normalizer.half_range
    assert np.isfinite(actions).all()
    assert set(np.unique(actions[..., -1])) <= {-1.0, 1.0}
    assert (actions >= low - 1e-6).all()
    assert (actions <= high + 1e-6).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), depth=st.sampled_from([0, 1, 4, 7]))  # every depth compiles a program
@pytest.mark.parametrize("name", TOKENIZERS)
def test_no_later_layer_changes_an_action_by_more_than_the_error_bound(name: str, seed: int, depth: int) -> None:
    tokenizer = _tokenizer(name)
    tokens = _random_tokens(seed)
    change = np.abs(np.asarray(tokenizer.detokenize(tokens)) - np.asarray(tokenizer.detokenize(tokens, depth)))
    assert (change <= np.asarray(_bound(name, depth)) + 1e-6).all()


@cache
def _bound(name: str, depth: int) -> jax.Array:
    return _tokenizer(name).error_bound(depth)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_error_bound_falls_to_zero_and_knows_the_gripper(name: str) -> None:
    bounds = np.stack([_bound(name, depth) for depth in range(9)])
    assert (np.diff(bounds, axis=0) <= 1e-9).all()
    np.testing.assert_array_equal(bounds[8], 0)
    assert set(np.unique(bounds[:, -1])) <= {0.0, 2.0}
    assert (bounds[0, :-1] <= 2 * np.asarray(_tokenizer(name).normalizer.half_range)[:-1] + 1e-6).all()


@pytest.mark.parametrize("depth", [-1, 9])
def test_an_error_bound_of_layers_that_do_not_exist(depth: int) -> None:
    with pytest.raises(ValueError, match=f"num_layers is {depth}; it must be between 0 and 8"):
        _tokenizer("staggered").error_bound(depth)


def test_a_round_trip_is_within_half_a_cell_and_keeps_the_gripper() -> None:
    actions = np.random.default_rng(1).uniform(-0.8, 0.8, (64, 8, 7)).astype(np.float32) * ACTIONS.max(0) / 0.8
    tokenizer = _tokenizer("staggered")
    decoded = np.asarray(tokenizer.detokenize(tokenizer.tokenize(actions)))
    half_cells = np.float32([1 / 75] * 3 + [1 / 58] * 3) / 2 * np.asarray(tokenizer.normalizer.half_range)[:6]
    assert (np.abs(decoded - actions)[..., :6] <= half_cells * (1 + 1e-3) + 1e-6).all()
    np.testing.assert_array_equal(decoded[..., 6], np.where(actions[..., 6] >= 0, 1, -1))


def test_prefixes_lower_the_error_on_average(tokenizer: RfsqTokenizer) -> None:
    latents = jnp.asarray(np.random.default_rng(2).uniform(-0.8, 0.8, (BATCH, 8, 7)), jnp.float32)
    actions = tokenizer.normalizer.denormalize(latents)
    tokens = tokenizer.tokenize(actions)
    reference = np.asarray(
        tokenizer.detokenize(tokens)
    )  # an untrained MLP reconstructs nothing; its own prefixes do converge
    prefixes = [np.asarray(tokenizer.detokenize(tokens, depth)) for depth in range(9)]
    errors = [((prefix - reference)[..., :6] ** 2).mean() for prefix in prefixes]
    assert all(later <= earlier * 1.02 for earlier, later in pairwise(errors))


def test_rows_of_a_batch_are_independent(tokenizer: RfsqTokenizer) -> None:
    actions = np.random.default_rng(3).uniform(-1, 1, (BATCH, 8, 7)).astype(np.float32)
    np.testing.assert_array_equal(tokenizer.tokenize(actions)[3], tokenizer.tokenize(actions[::-1])[-4])


@pytest.mark.parametrize("shape", [(2, 7, 7), (2, 8, 6), (8, 7)])
def test_wrong_chunk_length_or_action_dimension_is_named(tokenizer: RfsqTokenizer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"this tokenizer takes \[B, 8, 7\]"):
        tokenizer.tokenize(np.zeros(shape, np.float32))


def _actions(batch: int = BATCH) -> np.ndarray:
    return np.zeros((batch, 8, 7), np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("convert", [np.asarray, np.ndarray.tolist])
def test_a_number_that_is_not_finite_is_named(value: float, convert: Callable[[np.ndarray], object]) -> None:
    actions = _actions().astype(np.float64)
    actions[1, 3, 4] = value
    for method in (_tokenizer("staggered").tokenize, _tokenizer("staggered").latents):
        with pytest.raises(ValueError, match=rf"actions\[1, 3, 4\] is {re.escape(str(value))}; actions must be"):
            method(convert(actions))


def test_numbers_on_the_device_are_looked_at_too() -> None:
    with pytest.raises(ValueError, match=r"actions\[0, 7, 6\] is nan"):
        _tokenizer("staggered").tokenize(jnp.zeros((BATCH, 8, 7)).at[0, 7, 6].set(jnp.nan))
    with pytest.raises(ValueError, match=r"tokens\[1, 2, 3, 4\] is 7"):
        _tokenizer("staggered").detokenize(jnp.zeros((BATCH, 8, 16, 8), jnp.int32).at[1, 2, 3, 4].set(7))


@pytest.mark.parametrize("value", [-1, 7, 99])
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_an_id_that_is_no_token_is_named(value: int, dtype: type) -> None:
    tokens = np.zeros((2, 8, 16, 8), dtype)
    tokens[1, 0, 15, 2] = value
    with pytest.raises(ValueError, match=rf"tokens\[1, 0, 15, 2\] is {value}; they must be 0 .. num_levels - 1 = 6"):
        _tokenizer("staggered").detokenize(tokens)
    with pytest.raises(ValueError, match=rf"tokens\[1, 0, 15, 2\] is {value}"):
        _tokenizer("staggered").to_flat(tokens)


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        (np.zeros((2, 8, 15, 8), int), r"shape \(2, 8, 15, 8\); expected \[B, C, 16, M\]: M layers, up to 8"),
        (np.zeros((2, 8, 1, 8), int), r"shape \(2, 8, 1, 8\); expected \[B, C, 16, M\]"),
        (np.zeros((2, 7, 16, 8), int), r"shape \(2, 7, 16, 8\); this tokenizer's chunks have 8 steps"),
        (np.zeros((2, 8, 16, 9), int), r"shape \(2, 8, 16, 9\); expected \[B, C, 16, M\]: M layers, up to 8"),
        (np.zeros((8, 16, 8), int), r"shape \(8, 16, 8\); expected"),
        (np.zeros((2, 1024), int), r"shape \(2, 1024\); expected .*become tokens by `from_flat`"),
        (np.zeros((2, 8, 16, 8)), "tokens is float(32|64); tokens must be whole numbers"),
        (np.zeros((2, 8, 16, 8), bool), "tokens is bool; tokens must be whole numbers"),
    ],
)
def test_what_is_no_tokens_is_named(tokens: np.ndarray, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        _tokenizer("staggered").detokenize(tokens)
    with pytest.raises(ValueError, match=named):
        jax.jit(_tokenizer("staggered").detokenize)(tokens)


def test_actions_that_are_no_numbers_are_named() -> None:
    for actions in (_actions().astype(complex), _actions().astype(str)):
        with pytest.raises(ValueError, match=r"actions is .*; actions are real numbers"):
            _tokenizer("staggered").tokenize(actions)
    whole_numbers = _tokenizer("staggered").tokenize(_actions().astype(int))
    np.testing.assert_array_equal(whole_numbers, _tokenizer("staggered").tokenize(_actions()))


def test_a_compiled_caller_is_told_which_chunks_are_valid() -> None:
    tokenizer = _tokenizer("staggered")
    actions, tokens = _actions(3), np.zeros((3, 8, 16, 8), np.int32)
    actions[1, 2, 3], tokens[0, 1, 2, 3], tokens[2, 0, 0, 0] = np.nan, -1, 7

    @jax.jit
    def whole(actions: jax.Array, tokens: jax.Array) -> tuple[jax.Array, ...]:
        decoded = tokenizer.detokenize(tokens), tokenizer.tokenize(actions)
        return *decoded, tokenizer.valid_actions(actions), tokenizer.valid_tokens(tokens)

    *_, actions_are_valid, tokens_are_valid = whole(actions, tokens)
    assert actions_are_valid.tolist() == [True, False, True]
    assert tokens_are_valid.tolist() == [False, True, False]


def test_a_batch_may_be_empty(tokenizer: RfsqTokenizer) -> None:
    for make in (tokenizer.tokenize, jax.jit(tokenizer.tokenize)):
        assert make(_actions(0)).shape == (0, 8, 16, 8)
    tokens = tokenizer.tokenize(_actions(0))
    assert tokenizer.detokenize(tokens).shape == (0, 8, 7)
    assert tokenizer.latents(_actions(0)).shape == (0, 8, 16)
    flat = tokenizer.to_flat(tokens)
    assert flat.shape == (0, 1024)
    assert tokenizer.from_flat(flat).shape == (0, 8, 16, 8)
    assert tokenizer.valid_tokens(tokens).shape == tokenizer.valid_actions(_actions(0)).shape == (0,)


def test_a_prefix_decodes_as_far_as_it_reaches() -> None:
    tokenizer = _tokenizer("staggered")
    tokens = _random_tokens(6)
    flat = tokenizer.to_flat(tokens, first_id=100)
    compiled = jax.jit(tokenizer.detokenize)
    for depth in (0, 3, 8):
        expected = tokenizer.detokenize(tokens, depth)
        np.testing.assert_array_equal(tokenizer.detokenize(tokens[..., :depth]), expected)
        np.testing.assert_array_equal(compiled(tokens[..., :depth]), expected)
        np.testing.assert_array_equal(tokenizer.detokenize(tokenizer.from_flat(flat[:, : depth * 128], 100)), expected)
    with pytest.raises(ValueError, match=r"num_layers is 5, but tokens has shape \(16, 8, 16, 3\): it holds 3 layers"):
        tokenizer.detokenize(tokens[..., :3], 5)
    with pytest.raises(ValueError, match="num_layers is 9; it must be between 0 and 8"):
        tokenizer.detokenize(tokens, 9)


def test_sequences_of_more_layers_than_there_are() -> None:
    longer = to_flat(np.zeros((1, 8, 16, 9), int), 7)
    with pytest.raises(ValueError, match=r"shape \(1, 1152\) and holds 9 layers; this tokenizer has 8"):
        _tokenizer("staggered").from_flat(longer)


def test_hash_sees_every_part() -> None:
    tokenizer = _tokenizer("layernorm")
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
    actions = np.random.default_rng(4).uniform(-1, 1, (BATCH, 8, 7)).astype(np.float32)
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
    _tokenizer("nested").save(tmp_path / "t.safetensors")
    content = (tmp_path / "t.safetensors").read_bytes()
    (tmp_path / "short.safetensors").write_bytes(content[:-10])
    with pytest.raises(CheckpointError, match=r"short.safetensors cannot be read"):
        RfsqTokenizer.load(tmp_path / "short.safetensors")
    monkeypatch.setattr(tokenizer_module, "TOKEN_FORMAT", 3)
    with pytest.raises(TokenFormatError, match="has token format 2; this version reads 3"):
        RfsqTokenizer.load(tmp_path / "t.safetensors")


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
    _tokenizer("staggered").save(tmp_path / "t.safetensors")
    layout, arrays = read_array_file(tmp_path / "t.safetensors")
    edit(arrays, layout)
    write_array_file(tmp_path / "t.safetensors", arrays, layout)
    with pytest.raises(CheckpointError, match=f"t.safetensors holds no tokenizer: .*{named}"):
        RfsqTokenizer.load(tmp_path / "t.safetensors")
