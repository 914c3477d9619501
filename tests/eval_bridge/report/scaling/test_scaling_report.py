from xml.etree import ElementTree

import pytest

from eval_bridge.report.scaling.plot import render_plot
from eval_bridge.report.scaling.table import COLUMNS, breaking_points, cells, interval, mesh_text, significant
from tests.eval_bridge.runs.scaling.example_plan import example_plan


@pytest.fixture(scope="module")
def record():
    return example_plan()


@pytest.mark.parametrize(
    ("value", "text"),
    [(18900.4, "18,900"), (1_214_000.0, "1,210,000"), (8.918, "8.92"), (64.26, "64.3"), (334.4, "334")],
)
def test_numbers_have_three_digits(value, text):
    assert significant(value) == text


def test_a_plan_is_a_row_and_none_says_why(record):
    policy, large = record["trainings"].values()
    row = dict(zip(COLUMNS, cells(policy, "grown_batch", 2, "141"), strict=True))
    assert row["mesh"] == "data 2"
    assert row["samples/s"] == "35,800 to 37,800"
    assert row["efficiency"] == "95 to 100 %"
    assert row["longest part"] == "compute"
    assert cells(large, "kept_batch", 1, "80") == ["1", "- (no mesh has room)", "-", "-", "-", "-", "-"]
    assert mesh_text({"data": 1, "fsdp": 1, "tensor": 1}) == "1"
    assert interval("3", "3") == "3"


def test_breaking_points_name_batch_memory_network_and_input(record):
    points = breaking_points(record["trainings"]["policy"], record["devices"], 6.6e9, 8)
    assert [point.partition(":")[0] for point in points] == ["Batch", "Memory", "Network", "Input"]
    assert "at 256 rows a step, twice as many devices as" in points[0]
    assert "on 64 devices" in points[2]
    assert "have to lie on the devices" in points[3]
    assert "which files give" in breaking_points(record["trainings"]["openvla_7b"], record["devices"], 6.6e9, 8)[-1]


def test_the_plot_has_two_bands_a_training_and_a_dot_a_measured_step(record):
    drawn = ElementTree.fromstring(render_plot(record))
    name = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f"{name}polygon")) == 4
    assert len([dot for dot in drawn.findall(f"{name}circle") if list(dot)]) == 3
    numbers = [
        float(n) for band in drawn.findall(f"{name}polygon") for n in band.attrib["points"].replace(",", " ").split()
    ]
    assert min(numbers) > 0
    assert max(numbers) < 960
