import json

import pytest

from launch import record

HEAD = {
    "accuracy_by_layer": [0.9, 0.8],
    "majority_by_layer": [0.4, 0.3],
    "accuracy_by_layer_demonstrations": [0.7, 0.5],
    "majority_by_layer_demonstrations": [0.4, 0.3],
}
FILES = {
    "pipeline.json": {"variant": "quickstart", "seed": 3, "stage_seconds": {"collect": 60.0, "rfsq": 30.0}},
    "demos/suite/task_demo.json": {"successes": 20, "attempts_made": 21},
    "rfsq/metrics.json": {"heldout_token_mse_by_layer": [0.01, 0.0001]},
    "policy/metrics.json": {"heldout_l1": 0.1, "heldout_l1_zeroed_images": 0.2},
    "draft/metrics.json": HEAD,
    "main_head/metrics.json": HEAD,
    "evaluation/summary.json": {
        "successes": 9,
        "episodes": 10,
        "success_interval": [0.596, 0.982],
        "token_acceptance": 0.5,
        "layer_acceptance": [0.75, None],
        "rounds_mean": 6.5,
        "latency_ms": {"chunk": {"p50": 10.0, "p90": 11.0, "p99": 12.0}},
        "commit": "0123456789abcdef",
        "device": "cpu",
        "versions": {"jax": "0.10.2", "libero": "0.1.1"},
    },
}


@pytest.fixture
def run_dir(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path / "run"


def test_figures_are_copied_into_results_and_readme(run_dir, tmp_path):
    readme, results = tmp_path / "README.md", tmp_path / "results" / "out.json"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    record.main([str(run_dir), "--results", str(results), "--readme", str(readme)])
    (kept,) = json.loads(results.read_text())["runs"]
    assert kept["evaluation"] == FILES["evaluation/summary.json"]
    assert (kept["seed"], kept["commit"], kept["device"]) == (3, "0123456789abcdef", "cpu")
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    for cell in ("seed 3", "**9 of 10** (60% to 98%)", "50.0%, 6.50", "75 -", "90(40) 80(30)", "20 (21)", "| 1.5 |"):
        assert cell in text


def test_a_further_run_stands_behind_those_kept(run_dir, tmp_path):
    results = tmp_path / "out.json"
    record.main([str(run_dir), "--results", str(results)])
    (run_dir / "pipeline.json").write_text(json.dumps({**FILES["pipeline.json"], "seed": 4}))
    record.main([str(run_dir), "--keep", "--results", str(results)])
    assert [run["seed"] for run in json.loads(results.read_text())["runs"]] == [3, 4]
    record.main([str(run_dir), "--results", str(results)])
    assert [run["seed"] for run in json.loads(results.read_text())["runs"]] == [4]


def test_an_unfinished_run_is_refused_and_nothing_is_written(run_dir, tmp_path):
    (run_dir / "draft" / "metrics.json").unlink()
    with pytest.raises(ValueError, match=r"draft/metrics.json does not exist; finish the run"):
        record.main([str(run_dir), "--results", str(tmp_path / "out.json")])
    assert not (tmp_path / "out.json").exists()


def test_a_readme_without_markers_is_refused(run_dir, tmp_path):
    (tmp_path / "README.md").write_text("no place\n")
    with pytest.raises(ValueError, match="the document has no place for results"):
        record.main([str(run_dir), "--results", str(tmp_path / "out.json"), "--readme", str(tmp_path / "README.md")])
    assert (tmp_path / "README.md").read_text() == "no place\n"
