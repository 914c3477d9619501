import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from rsd_jax.distributed.mesh import MESH_AXES, MeshConfig, make_mesh
from rsd_jax.distributed.sharding_rules import (
    LOGICAL_TO_MESH,
    UnknownLogicalAxisError,
    partition_spec,
    state_shardings,
)
from rsd_jax.partitioned_layers import Conv, Embedding, LayerNorm, Mlp


class Network(nn.Module):
    """All layers that carry logical names."""

    @nn.compact
    def __call__(self, images):
        hidden = LayerNorm()(Conv(8, (3, 3), axes=("channels", "embed"))(images))
        return Mlp(16, 8)(hidden) + Embedding(7, 8, axes=("vocab", "embed"))(jnp.array(3))


def test_table_maps_names_to_mesh_axes():
    assert partition_spec(("embed", "mlp")) == PartitionSpec("fsdp", "tensor")
    assert partition_spec((None, "action")) == PartitionSpec(None, None)
    assert set(LOGICAL_TO_MESH.values()) <= {*MESH_AXES, None}


def test_a_mesh_axis_splits_an_array_once():
    assert partition_spec(("embed", "embed")) == PartitionSpec("fsdp", None)


def test_a_name_without_a_rule_is_an_error_that_names_parameter_and_known_names():
    boxed = {"head": nn.LogicallyPartitioned(jnp.zeros((2, 2)), ("embed", "embeded"))}
    with pytest.raises(UnknownLogicalAxisError, match=r"'embeded' of parameter \['head'\].*known names: embed, mlp"):
        state_shardings(boxed, make_mesh(MeshConfig()))


def test_every_layer_names_axes_that_have_rules():
    boxed = jax.eval_shape(Network().init, jax.random.key(0), jnp.zeros((1, 4, 4, 3)))
    shardings = state_shardings(boxed, make_mesh(MeshConfig()))["params"]
    assert shardings["Conv_0"]["kernel"].spec == PartitionSpec(None, None, None, "fsdp")
    assert shardings["Mlp_0"]["up"]["kernel"].spec == PartitionSpec("fsdp", "tensor")
    assert shardings["Mlp_0"]["down"]["bias"].spec == PartitionSpec("fsdp")
    assert jax.tree.structure(shardings) == jax.tree.structure(nn.unbox(boxed)["params"])


def test_a_width_that_the_mesh_does_not_divide_is_an_error():
    mesh = AbstractMesh((1, 3, 1), MESH_AXES, axis_types=(AxisType.Auto,) * 3)
    boxed = {"w": nn.LogicallyPartitioned(jax.ShapeDtypeStruct((4, 2), jnp.float32), ("embed", None))}
    with pytest.raises(ValueError, match=r"'embed' of parameter \['w'\] has size 4.*'fsdp' of size 3"):
        state_shardings(boxed, mesh)
