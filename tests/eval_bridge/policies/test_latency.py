import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.latency import Latency, measure_latency, measure_stages


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_first_call_is_dropped():
    clock = FakeClock()
    durations = iter([10.0, 0.001, 0.002, 0.003])

    def call():
        clock.now += next(durations)

    latency = measure_latency(call, repeats=3, clock=clock)
    assert latency.p50 == pytest.approx(2.0)
    assert latency.p99 < 3.001


def test_percentiles():
    clock = FakeClock()
    durations = iter([99.0, *(milliseconds / 1e3 for milliseconds in range(101))])

    def call():
        clock.now += next(durations)

    np.testing.assert_allclose(measure_latency(call, repeats=101, clock=clock), (50.0, 90.0, 99.0), atol=1e-6)


def test_waits_for_the_result():
    def slow_on_the_host(values):
        time.sleep(0.03)
        return np.asarray(values)

    call = jax.jit(lambda x: jax.pure_callback(slow_on_the_host, jax.ShapeDtypeStruct((2,), jnp.float32), x + 1))
    assert measure_latency(lambda: call(jnp.zeros(2)), repeats=2).p50 >= 30.0


def test_waiting_is_part_of_the_measured_time(monkeypatch):
    clock = FakeClock()

    def block(result):
        clock.now += 0.004
        return result

    monkeypatch.setattr(jax, "block_until_ready", block)
    assert measure_latency(lambda: None, repeats=2, clock=clock).p50 == pytest.approx(4.0)


def test_sum_of_stages_leaves_out_the_fused_call_and_single_passes(monkeypatch):
    values = {"backbone": 1.0, "decoder": 2.0, "chunk": 2.5, "draft_pass": 0.5}
    monkeypatch.setattr("eval_bridge.policies.latency.measure_latency", lambda call, repeats: Latency(*[call()] * 3))
    stages = measure_stages({name: (lambda value=value: value) for name, value in values.items()})
    assert stages["sum_of_stages"] == (3.0, 3.0, 3.0)
    assert stages["chunk"] == (2.5, 2.5, 2.5)


def test_the_deployed_call_is_required():
    with pytest.raises(ValueError, match="'chunk'"):
        measure_stages({"backbone": lambda: None})
    with pytest.raises(ValueError, match="repeats=0"):
        measure_latency(lambda: None, repeats=0)
