import pytest

from eval_bridge.observations import Observation
from eval_bridge.simulators.point_mass import PointMassSimulator


@pytest.fixture(scope="session")
def observations() -> list[Observation]:
    """Three starts of the point mass."""
    simulator, seen = PointMassSimulator(), []
    for seed in range(3):
        simulator.begin(simulator.draw_start(seed))
        seen.append(simulator.observe())
    return seen
