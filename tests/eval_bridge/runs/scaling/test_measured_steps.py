import json

import pytest

from eval_bridge.runs.scaling.measured_steps import parse_measured, read_measured
from rsd_jax.distributed.cost_model.fit import MeasuredStep


def test_steps_are_read_from_the_benchmarks_rows(tmp_path):
    """As tests/benchmarks/scaling.py writes them."""
    row = {"devices": 2, "processes": 2, "batch": 512, "samples_per_s": 35000.0, "mfu": 0.2, "final_loss": None}
    path = tmp_path / "scaling.json"
    path.write_text(json.dumps({"rows": [row], "turns": 3}))
    assert read_measured(path) == [MeasuredStep(2, 512, 35000.0, 2)]


def test_steps_are_read_as_they_were_written_down():
    found = parse_measured(["1:18900", "2:28700.5:128", "2:28700.5:128:2"], rows=256)
    assert found == [MeasuredStep(1, 256, 18900.0), MeasuredStep(2, 256, 28700.5), MeasuredStep(2, 256, 28700.5, 2)]


@pytest.mark.parametrize("text", ["18900", "1:fast", "one:18900", "2:28700:128:2:1", "1:18900:many", ""])
def test_what_is_no_step_is_refused_with_an_example(text):
    with pytest.raises(ValueError) as error:
        parse_measured([text], rows=256)
    assert str(error.value).startswith(f"--measured is {text!r}; it must be DEVICES:SAMPLES_A_SECOND[")
    assert "2:28700:128:2" in str(error.value)


@pytest.mark.parametrize("content", [{}, [], {"rows": []}, {"rows": [{"devices": 1}]}, {"rows": [1]}])
def test_a_file_without_steps_is_refused_with_the_command_that_makes_them(tmp_path, content):
    path = tmp_path / "scaling.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"tests\.benchmarks\.scaling --out FILE"):
        read_measured(path)
