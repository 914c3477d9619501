import shutil

import pytest

from tests.rsd_jax.demos.golden_datasets import GOLDEN, RLDS


@pytest.fixture
def v2(tmp_path):
    """A copy of LeRobot's golden dataset of version 2.1, to be damaged."""
    return shutil.copytree(GOLDEN / "lerobot_v2.1", tmp_path / "v2")


@pytest.fixture
def v3(tmp_path):
    """The same of version 3.0."""
    return shutil.copytree(GOLDEN / "lerobot_v3.0", tmp_path / "v3")


@pytest.fixture
def build(tmp_path):
    """A copy of the golden RLDS build, the folder of its version."""
    return shutil.copytree(RLDS / "1.0.0", tmp_path / "libero_spatial_no_noops" / "1.0.0")
