import pytest

from eval_bridge.decoding_benchmark.settings import BenchmarkSettings
from launch.config_flags import load_config
from rsd_jax.registry import to_dataclass


def settings(**changes):
    values = {
        **{"run_dir": "", "demos": (), "observations": 4, "decoders": ("fixed_point", "autoregressive")},
        **{"baseline": "autoregressive", "batches": (1, 8), "repeats": (3, 2), "warm_up": 1, "calls_a_turn": 1},
    }
    return BenchmarkSettings(**values | changes)


def test_the_baseline_comes_first_and_settings_are_written_in_one_order():
    decoders = ("certified unrolled_passes=2 epsilon=0.04", "autoregressive", "fixed_point")
    assert [entry.label for entry in settings(decoders=decoders).entries] == [
        *("autoregressive", "certified epsilon=0.04 unrolled_passes=2", "fixed_point")
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoders": ("beam",)}, "decoder='beam' is not a decoder"),
        ({"decoders": ("fixed_point width=3",)}, "has 'width=3'"),
        ({"decoders": ("",)}, "decoder='' is not a decoder"),
        ({"decoders": ("autoregressive", "certified epsilon=1.0 unrolled_passes=1",
                       "certified unrolled_passes=1 epsilon=1.0")}, "twice"),
        ({"baseline": "cascade"}, "baseline='cascade' must decode tokens"),
        ({"baseline": "l1_regression"}, "baseline='l1_regression' must decode tokens"),
        ({"repeats": (3,)}, r"batches=\(1, 8\) and repeats=\(3,\) must be equally long"),
        ({"batches": (1, 1)}, "named once"),
        ({"batches": (), "repeats": ()}, r"batches=\(\) must name at least one"),
        ({"repeats": (3, 0)}, r"repeats=\(3, 0\) must name"),
        ({"observations": 0}, "observations=0 must be at least 1"),
        ({"warm_up": 0}, "warm_up=0 must be at least 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_every_decoder_of_the_registry_is_measured():
    from eval_bridge.policies.decoders import DECODERS

    of_a_run = set(DECODERS.kinds) - {"two_step_regression"}  # which is of a policy of its own
    for variant in ("", "cpu", "tiny"):
        values = load_config(f"configs/decoding_benchmark.py:{variant}")[1].to_dict()
        del values["output"]
        found = to_dataclass(BenchmarkSettings, values)
        assert {entry.decoder.name for entry in found.entries} == of_a_run or variant == "tiny"
        epsilons = [entry.decoder.epsilon for entry in found.entries if entry.decoder.name == "certified"]
        assert epsilons == [0.02, 0.04, 0.08] or variant == "tiny"
