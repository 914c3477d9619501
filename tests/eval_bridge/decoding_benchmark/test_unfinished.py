"""What a benchmark has measured when it is interrupted is not lost, and nobody else's is taken for it."""

from eval_bridge.decoding_benchmark.rows import BatchMeasurement, Row
from eval_bridge.decoding_benchmark.unfinished import UnfinishedBenchmark
from eval_bridge.policies.latency import Latency

IDENTITY = {"settings": {"batches": (1, 8)}, "commit": "abc"}


def measured(batch):
    latency = Latency(1.0 * batch, 2.0, 3.0)
    row = Row("one_pass", "", batch, {"decoder": latency}, latency.p50, layer_acceptance=(0.5, None))
    return BatchMeasurement([row], {"decoder": latency}, {})


def test_it_goes_on_with_what_it_lacks(tmp_path):
    path = tmp_path / "new" / "decoding.unfinished.json"
    first = UnfinishedBenchmark(path, IDENTITY)
    assert first.measured == {}
    first.keep(8, measured(8))
    first.keep(1, measured(1))
    again = UnfinishedBenchmark(path, IDENTITY)
    assert again.measured == {8: measured(8), 1: measured(1)}
    path.unlink()
    assert UnfinishedBenchmark(path, IDENTITY).measured == {}


def test_other_code_or_settings_measure_anew(tmp_path):
    path = tmp_path / "decoding.unfinished.json"
    UnfinishedBenchmark(path, IDENTITY).keep(1, measured(1))
    for other in ({**IDENTITY, "commit": "abd"}, {**IDENTITY, "settings": {"batches": (1,)}}):
        assert UnfinishedBenchmark(path, other).measured == {}
