import jax
import pytest
from jax.sharding import AxisType

from rsd_jax.distributed.mesh import MeshConfig, make_mesh


def test_minus_one_takes_the_remaining_devices():
    mesh = make_mesh(MeshConfig(data=-1, fsdp=1, tensor=1))
    assert dict(mesh.shape) == {"data": jax.device_count(), "fsdp": 1, "tensor": 1}
    assert mesh.axis_types == (AxisType.Auto,) * 3


def test_more_devices_than_exist_is_an_error_that_names_both_numbers():
    with pytest.raises(ValueError, match=r"data=2 x fsdp=4 x tensor=1 asks for 8 devices, but 1 exists"):
        make_mesh(MeshConfig(data=2, fsdp=4))


@pytest.mark.parametrize("config", [MeshConfig(data=0), MeshConfig(data=-2), MeshConfig(data=-1, fsdp=-1)])
def test_sizes_that_are_no_sizes_are_rejected(config):
    with pytest.raises(ValueError, match="at most one may be -1"):
        make_mesh(config)
