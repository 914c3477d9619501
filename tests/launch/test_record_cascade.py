"""The command that keeps the figures of cascades and puts their table into a document."""

import json

import pytest

from launch.record_cascade import main
from tests.eval_bridge.evidence.cascade_examples import CONFIDENCE, make_run, time

CONFIG = """from ml_collections import ConfigDict

def get_config():
    named = {"rule": "confidence", "alpha": ALPHA, "epsilon": 0.1}
    return ConfigDict({"decoders": ("cascade",), "decoder_settings": {"cascade": SETTINGS}, "calibration": named})
"""


@pytest.fixture
def command(tmp_path):
    """Runs the command in a run whose pipeline names `settings`."""
    run_dir, document = make_run(tmp_path / "run"), tmp_path / "docs" / "decoding.md"
    document.parent.mkdir()
    document.write_text("before\n<!-- cascade -->\n<!-- /cascade -->\nafter\n")

    def run(*arguments, settings=CONFIDENCE, alpha=0.01):
        pipeline = tmp_path / "pipeline.py"
        pipeline.write_text(CONFIG.replace("SETTINGS", repr(settings)).replace("ALPHA", str(alpha)))
        kept = tmp_path / "results" / "cascade.json"
        options = ("--pipeline", pipeline, "--results", kept, "--readme", document)
        main([*map(str, [*arguments, *options])])
        return json.loads(kept.read_text()), document.read_text()

    run.run_dir = run_dir
    return run


def test_the_document_gets_a_line_for_each_row_and_the_same_from_the_file(command, tmp_path):
    record, text = command(command.run_dir, "--times", time(tmp_path / "time.json", CONFIDENCE, 8.0))
    assert [row["named_before"] for row in record["rows"]] == [True, False, False]
    assert text.startswith("before\n<!-- cascade -->\n| rule | settings |")
    assert text.endswith("<!-- /cascade -->\nafter\n")
    for line in (
        "| `fixed_point` |  |  | **6 of 8** (40.9% to 92.9%) |",
        "| `confidence` | `threshold=0.1 longest_run=7` | yes | **7 of 8** (52.9% to 97.8%) | +12.5 (",
        "| 50.0% | 0.067 (0.001 to 0.132) at 0.05, 0.1, 3 episodes | 24.0 / 8.0 ms = **3.00**, 2 cores |",
        "| `early_exit` | `tolerance=0.3 coarse_layers=3 longest_run=1` | no | **6 of 8** (40.9% to 92.9%) | +0.0 (",
        "(../results/cascade.json), written with this table by `python -m launch.record_cascade`.",
    ):
        assert line in text
    assert command() == (record, text)  # from the file


def test_a_time_beside_another_lossless_decoder_says_so(command, tmp_path):
    times = time(tmp_path / "time.json", CONFIDENCE, 8.0, full_decoder="autoregressive")
    _, text = command(command.run_dir, "--times", times)
    assert "| 24.0 (`autoregressive`) / 8.0 ms = **3.00**, 2 cores |" in text


def test_settings_are_named_before_only_where_the_pipelines_configuration_has_them(command):
    record, text = command(command.run_dir, settings="rule=confidence threshold=0.2 longest_run=7")
    assert not any(row["named_before"] for row in record["rows"])
    assert "| yes |" not in text
    with pytest.raises(ValueError, match="decoder_settings has 'rul=both': cascade takes NAME=VALUE"):
        command(command.run_dir, settings="rul=both")


def test_settings_are_also_named_by_the_calibration_that_fitted_them(command):
    for alpha, is_named in ((0.05, True), (0.07, False)):
        record, _ = command(command.run_dir, settings="", alpha=alpha)
        assert [row["rule"] for row in record["rows"] if row["named_before"]] == ["confidence"] * is_named
