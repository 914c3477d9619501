import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.latency import Latency, measure_interleaved, measure_stages, time_calls, with_sum


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_first_calls_are_dropped():
    clock = FakeClock()
    durations = iter([10.0, 20.0, 0.001, 0.002, 0.003])

    def call():
        clock.now += next(durations)

    latency = measure_interleaved({"one": call}, repeats=3, warm_up=2, clock=clock)["one"]
    assert latency.p50 == pytest.approx(2.0)
    assert latency.p99 < 3.001


def test_percentiles():
    clock = FakeClock()
    durations = iter([99.0, *(milliseconds / 1e3 for milliseconds in range(101))])

    def call():
        clock.now += next(durations)

    measured = measure_interleaved({"one": call}, repeats=101, clock=clock)
    np.testing.assert_allclose(measured["one"], (50.0, 90.0, 99.0), atol=1e-6)


def test_of_several_calls_in_a_turn_the_first_is_dropped():
    clock, made = FakeClock(), []

    def call(name):
        clock.now += 2.0 if made[-1:] != [name] else 0.001
        made.append(name)

    calls = {name: (lambda name=name: call(name)) for name in "ab"}
    measured = measure_interleaved(calls, repeats=30, clock=clock, calls_a_turn=4)
    assert "".join(made[:8]) in ("aaaabbbb", "bbbbaaaa")
    # Where a round begins with the call that the last one ended with, all four are warm.
    assert measured["a"].p99 == measured["b"].p99 == pytest.approx(1.0)
    with pytest.raises(ValueError, match="calls_a_turn=0 must be at least 1"):
        measure_interleaved(calls, calls_a_turn=0)


def test_calls_take_turns_in_another_order_every_round():
    made = []
    calls = {name: (lambda name=name: made.append(name)) for name in "abc"}
    measure_interleaved(calls, repeats=20)
    rounds = ["".join(made[first : first + 3]) for first in range(0, len(made), 3)]
    assert len(rounds) == 21
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len(set(rounds)) > 3


def test_a_machine_that_slows_down_slows_all_calls_alike():
    clock, slowness = FakeClock(), iter(range(1, 1000))

    def call():
        clock.now += next(slowness) / 1e3

    measured = measure_interleaved({"one": call, "other": call}, repeats=100, clock=clock)
    assert measured["one"].p50 == pytest.approx(measured["other"].p50, rel=0.05)


def test_waits_for_the_result():
    def slow_on_the_host(values):
        time.sleep(0.03)
        return np.asarray(values)

    call = jax.jit(lambda x: jax.pure_callback(slow_on_the_host, jax.ShapeDtypeStruct((2,), jnp.float32), x + 1))
    assert measure_interleaved({"slow": lambda: call(jnp.zeros(2))}, repeats=2)["slow"].p50 >= 30.0


def test_waiting_is_part_of_the_measured_time(monkeypatch):
    clock = FakeClock()

    def block(result):
        clock.now += 0.004
        return result

    monkeypatch.setattr(jax, "block_until_ready", block)
    assert measure_interleaved({"one": lambda: None}, repeats=2, clock=clock)["one"].p50 == pytest.approx(4.0)


def test_sum_of_stages_leaves_out_the_fused_calls_and_single_passes():
    values = {"draft": 0.25, "backbone": 1.0, "decoder": 2.0, "chunk": 2.5, "chunk_skipped": 0.3, "draft_pass": 0.5}
    stages = with_sum({name: Latency(*[value] * 3) for name, value in values.items()})
    assert stages["sum_of_stages"] == (3.25, 3.25, 3.25)
    assert stages["chunk"] == (2.5, 2.5, 2.5)
    assert set(measure_stages({"chunk": lambda: None, "decoder": lambda: None}, 1)) == {
        *("chunk", "decoder", "sum_of_stages")
    }


def test_the_deployed_call_is_required():
    with pytest.raises(ValueError, match="'chunk'"):
        measure_stages({"backbone": lambda: None})
    for settings in ({"repeats": 0}, {"warm_up": 0}):
        with pytest.raises(ValueError, match=r"=0 must be at least 1"):
            measure_interleaved({"one": lambda: None}, **settings)


def test_single_calls_are_timed_behind_those_that_are_dropped():
    times = iter([0.0, 9.0, 9.0, 9.5, 10.0, 10.25])  # the first call takes 9 s: it compiles
    calls = []
    assert time_calls(lambda: calls.append(1), repeats=2, clock=lambda: next(times)) == (0.5, 0.25)
    assert len(calls) == 3
    with pytest.raises(ValueError, match="repeats=0 and warm_up=1 must be at least 1"):
        time_calls(lambda: None, repeats=0)
