"""Fixtures of everything that evaluates: one real LIBERO task, shared by all tests that need the simulator."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from eval_bridge.simulators.libero.environment import LiberoSimulator


@pytest.fixture(scope="session")
def libero_simulator() -> Iterator["LiberoSimulator"]:
    """The first task of libero_spatial. Its scene is compiled when first used; every test begins its own episode."""
    from eval_bridge.simulators.libero.environment import LiberoSimulator

    simulator = LiberoSimulator("libero_spatial", 0)
    yield simulator
    simulator.close()
