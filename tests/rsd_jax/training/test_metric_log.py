import json
import math
import sys

import pytest

from rsd_jax.training.metric_log import MetricLog, NonFiniteMetricError, require_finite


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_rows_are_appended_and_those_behind_the_resumed_step_written_anew(tmp_path):
    log = MetricLog(tmp_path, first_step=0, enabled=True, tensorboard=False)
    log.write(1, {"train/loss": 3.0})
    log.write(2, {"train/loss": 2.0})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "train/lo')  # a process killed while writing
    log = MetricLog(tmp_path, first_step=1, enabled=True, tensorboard=False)
    log.write(2, {"train/loss": 2.5})
    log.close()
    assert rows_of(tmp_path) == [{"step": 1, "train/loss": 3.0}, {"step": 2, "train/loss": 2.5}]


@pytest.mark.parametrize("damaged", [b'{"step": 1, "loss', b'{"stfp": 1}', b"7", b'{"step": "1"}', b'{"step": 1}\xff'])
def test_a_damaged_row_is_named(tmp_path, damaged):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + damaged + b"\n" + b'{"step": 2}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 2 is no row of metrics .*move the file away"):
        MetricLog(tmp_path, first_step=2, enabled=True, tensorboard=False)


def test_processes_that_are_not_primary_write_nothing(tmp_path):
    log = MetricLog(tmp_path, first_step=0, enabled=False, tensorboard=True)
    log.write(1, {"train/loss": 3.0})
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_gets_the_numbers(tmp_path):
    log = MetricLog(tmp_path, first_step=0, enabled=True, tensorboard=True)
    log.write(1, {"train/loss": 3.0, "heldout/by_layer": [1.0, 2.0]})
    log.close()
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"train/loss" in events.read_bytes()


def test_what_is_not_finite_is_named_with_its_step():
    with pytest.raises(NonFiniteMetricError, match="metric 'heldout/accuracy/1' is nan at step 7"):
        require_finite({"loss": 1.0, "name": "x", "heldout/accuracy": [0.5, math.nan]}, step=7)


def test_tensorboard_is_needed_only_where_asked_for_and_an_error_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    MetricLog(tmp_path, first_step=0, enabled=True, tensorboard=False).close()
    with pytest.raises(ValueError, match=r"rsd_jax\[tensorboard\]"):
        MetricLog(tmp_path, first_step=0, enabled=True, tensorboard=True)
