from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.stored_models import original_checkpoint
from rsd_jax.stored_models.original_checkpoint import load_original, to_tokenizer

UNCHANGED = ActionNormalizer(center=jnp.zeros(7), half_range=jnp.ones(7))


def state_dict(prefix=""):
    """Sizes that differ from each other and from the original's, weights that say where they belong."""
    shapes = {
        "encoder.0.weight": (5, 7),
        "encoder.0.bias": (5,),
        "encoder.2.weight": (3, 5),
        "encoder.2.bias": (3,),
        "decoder.0.weight": (5, 3),
        "decoder.0.bias": (5,),
        "decoder.2.weight": (7, 5),
        "decoder.2.bias": (7,),
    }
    weights = {key: np.arange(np.prod(shape), dtype=np.float32).reshape(shape) for key, shape in shapes.items()}
    levels = {f"rfsq.layers.{k}.boundaries": np.linspace(-1, 1, 5, dtype=np.float32) for k in range(4)}
    return {prefix + key: value for key, value in (weights | levels).items()}


@pytest.fixture
def load(monkeypatch):
    """`load_original` of a file that holds the given object."""

    def load_content(content, **arguments):
        monkeypatch.setattr(original_checkpoint, "read_torch_file", lambda path: content)
        return load_original(Path("rfsq.pt"), **arguments)

    return load_content


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights, config: {"model_state_dict": weights, "config": config, "epoch": 3},
        lambda weights, config: {"model_state_dict": weights, "extra_state": {"config": config}},
        lambda weights, config: {"model": weights, "config": config},
        lambda weights, config: weights | {"config": config},
        lambda weights, config: {"state_dict": weights, "hyper_parameters": config},
        lambda weights, config: {"state_dict": weights, "hyper_parameters": {"config": config}},
    ],
)
def test_every_layout_is_read(load, wrap, prefix):
    checkpoint = load(wrap(state_dict(prefix), {"use_layernorm": False}), chunk_length=6)
    sizes = checkpoint.autoencoder
    assert (sizes.action_dim, sizes.hidden_features, sizes.latent_dim) == (7, 5, 3)
    assert (checkpoint.kind, checkpoint.num_layers, checkpoint.num_levels) == ("naive", 4, 5)
    assert checkpoint.chunk_length == 6
    up = checkpoint.params["encoder"]["up"]
    np.testing.assert_array_equal(up["kernel"], np.arange(35).reshape(5, 7).T)
    np.testing.assert_array_equal(checkpoint.params["decoder"]["down"]["bias"], np.arange(7))


@pytest.mark.parametrize(
    "rename",
    [
        lambda key: f"model.{key}",
        lambda key: f"model._orig_mod.{key}",
        lambda key: f"net.module.{key}",
        lambda key: key.replace("encoder.", "encoder._orig_mod.").replace("rfsq.", "rfsq.module."),
    ],
)
def test_a_network_compiled_in_parts_or_held_by_a_lightning_module_is_read(load, rename):
    weights = {rename(key): value for key, value in state_dict().items()}
    checkpoint = load({"state_dict": weights}, kind="naive")
    np.testing.assert_array_equal(checkpoint.params["encoder"]["up"]["bias"], np.arange(5))
    assert (checkpoint.num_layers, checkpoint.num_levels) == (4, 5)


def test_what_a_lightning_module_holds_beside_the_network_is_left(load):
    checkpoint = load({"state_dict": state_dict("model.") | {"accuracy.total": np.ones(1, "f4")}}, kind="naive")
    assert checkpoint.num_layers == 4


def test_two_networks_in_one_file_are_refused_by_name(load):
    with pytest.raises(ValueError, match=r"holds several networks, under 'ema\.', 'model\.'; keep the weights of one"):
        load({"state_dict": state_dict("model.") | state_dict("ema.")}, kind="naive")
    with pytest.raises(ValueError, match=r"holds encoder\.0\.weight twice, as encoder.* and _orig_mod\.encoder"):
        load(state_dict() | state_dict("_orig_mod."), kind="naive")


def test_weights_under_both_names_are_those_that_the_original_loads(load):
    first, second = state_dict(), state_dict()
    second["encoder.0.bias"] = first["encoder.0.bias"] + 1
    checkpoint = load({"model": second, "model_state_dict": first}, kind="naive")
    np.testing.assert_array_equal(checkpoint.params["encoder"]["up"]["bias"], np.arange(5))


def test_the_file_says_the_kind(load):
    assert load({"model": state_dict(), "config": {"use_layernorm": True}}).kind == "layernorm"
    with pytest.raises(ValueError, match="use_layernorm=True: leave kind out"):
        load({"model": state_dict(), "config": {"use_layernorm": True}}, kind="naive")


def test_a_file_that_does_not_say_the_kind_needs_it_as_an_argument(load):
    with pytest.raises(ValueError, match="Pass kind='layernorm'"):
        load(state_dict())
    assert load(state_dict(), kind="layernorm").kind == "layernorm"
    with pytest.raises(ValueError, match="must be 'layernorm' or 'naive'"):
        load(state_dict(), kind="robust")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("encoder.2.bias", np.zeros(4, "f4"), r"encoder\.2\.bias has shape \(4,\); expected \(3,\)"),
        ("decoder.0.weight", np.zeros((3, 5), "f4"), r"decoder\.0\.weight has shape \(3, 5\); expected \(5, 3\)"),
        ("encoder.0.weight", np.zeros(35, "f4"), r"encoder\.0\.weight has shape \(35,\); expected"),
        ("decoder.2.bias", None, r"lacks decoder\.2\.bias"),
        ("encoder.4.weight", np.zeros((3, 3), "f4"), r"also holds encoder\.4\.weight"),
        ("rfsq.layers.1.boundaries", None, r"levels of layers \[0, 2, 3\]"),
        ("rfsq.layers.1.boundaries", np.zeros(7, "f4"), r"layers\.1\.boundaries has shape \(7,\); expected \(5,\)"),
        ("rfsq.layers.1.boundaries", np.zeros(5, "f4"), r"uniform levels"),
    ],
)
def test_another_network_is_refused_by_the_name_of_what_differs(load, key, value, message):
    weights = state_dict() | {key: value}
    if value is None:
        del weights[key]
    with pytest.raises(ValueError, match=message):
        load({"model_state_dict": weights}, kind="naive")


def test_a_file_of_something_else_is_refused(load):
    with pytest.raises(ValueError, match="holds a list; it must be a dict"):
        load([1, 2])
    with pytest.raises(ValueError, match="no action autoencoder"):
        load({"input_projection.weight": np.zeros((2, 2), "f4")})


def test_a_naive_checkpoint_is_a_tokenizer(load):
    tokenizer = to_tokenizer(load(state_dict(), kind="naive"), UNCHANGED)
    tokens = tokenizer.tokenize(jnp.zeros((2, 8, 7)))
    assert tokens.shape == (2, 8, 3, 4)
    np.testing.assert_array_equal(tokenizer.table.step, 0.5)
    np.testing.assert_array_equal(tokenizer.table.offset, 0.0)


def test_a_layernorm_checkpoint_says_how_to_get_a_tokenizer(load):
    checkpoint = load(state_dict(), kind="layernorm")
    with pytest.raises(ValueError, match=r"checkpoint\.rfsq\.calibrate"):
        to_tokenizer(checkpoint, UNCHANGED)
    assert checkpoint.rfsq.num_layers == 4
