import pytest

from rsd_jax.distributed.cost_model.fit import ASSUMED, MeasuredStep, fit_rates
from rsd_jax.distributed.cost_model.step_cost import Rates, step_seconds
from rsd_jax.distributed.mesh import MeshConfig
from tests.rsd_jax.distributed.cost_model.example_costs import COST, WITH_LATENCY

RATES = Rates(constant=0.003, matrix_rate=4e11, network_share=0.25)


def measured(*layouts, rates=RATES, factor=1.0):
    """Steps of (devices, rows a device) as the model has them."""
    steps = []
    for devices, rows in layouts:
        seconds = step_seconds(COST, MeshConfig(devices, 1, 1), rows, WITH_LATENCY, rates).nothing_hidden
        steps.append(MeasuredStep(devices, devices * rows, factor * devices * rows / seconds))
    return steps


def test_the_constants_behind_synthetic_steps_are_found():
    steps = measured((1, 64), (1, 256), (2, 64), (2, 256))
    found = fit_rates(steps, COST, WITH_LATENCY)
    assert found.rates == pytest.approx(RATES)
    assert found.fitted == ("constant", "matrix_rate", "network_share")
    assert found.assumed == ()
    assert found.predicted == pytest.approx([step.samples_per_s for step in steps])


def test_of_one_size_of_batch_the_constant_is_assumed():
    found = fit_rates(measured((1, 256), (2, 256)), COST, WITH_LATENCY)
    assert found.assumed == ("constant",)
    assert found.rates.constant == ASSUMED.constant
    assert found.rates.network_share == pytest.approx(0.25)
    # What was constant is computing now.
    assert 256 * COST.flops_per_row / found.rates.matrix_rate == pytest.approx(256e9 / 4e11 + 0.001)


def test_of_one_device_the_network_is_assumed():
    found = fit_rates(measured((1, 64), (1, 256)), COST, WITH_LATENCY)
    assert found.assumed == ("network_share",)
    assert found.rates == pytest.approx(RATES._replace(network_share=ASSUMED.network_share))


def test_a_constant_below_zero_is_none_and_a_network_faster_than_its_links_is_as_fast():
    with_none = measured((1, 64), (1, 256), (2, 256), rates=RATES._replace(constant=-0.001))
    assert fit_rates(with_none, COST, WITH_LATENCY).rates.constant == 0
    too_fast = measured((1, 64), (1, 256), (2, 256), rates=RATES._replace(network_share=4.0))
    assert fit_rates(too_fast, COST, WITH_LATENCY).rates.network_share == 1


def test_noise_is_spread_over_more_steps_than_constants():
    steps = measured((1, 64), (1, 256), (2, 64), (2, 256))
    noisy = [
        step._replace(samples_per_s=step.samples_per_s * (1.01 if i % 2 else 0.99)) for i, step in enumerate(steps)
    ]
    found = fit_rates(noisy, COST, WITH_LATENCY)
    assert found.rates.matrix_rate == pytest.approx(RATES.matrix_rate, rel=0.05)
    assert found.predicted != pytest.approx([step.samples_per_s for step in noisy], rel=1e-4)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "measured is empty; a fit needs at least one step"),
        ([MeasuredStep(2, 255, 100.0)], "batch 255 must be divisible by devices 2; give the rows of all devices"),
        ([MeasuredStep(1, 256, 0.0)], "must be positive"),
        ([MeasuredStep(1, 256, float("nan"))], "must be positive"),
        (
            [MeasuredStep(1, 64, 64 / 2.0), MeasuredStep(1, 256, 256 / 1.0)],
            "contradict each other: more rows a device",
        ),
    ],
)
def test_steps_that_cannot_be_are_refused(steps, message):
    with pytest.raises(ValueError) as error:
        fit_rates(steps, COST, WITH_LATENCY)
    assert message in str(error.value)
