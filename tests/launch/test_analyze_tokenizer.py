"""The whole analysis in miniature, on the run that preflight has trained."""

import json
import shutil
from pathlib import Path

import pytest

from launch import analyze_tokenizer
from launch.config_flags import parse_config
from rsd_jax.checkpoints import StageCheckpoints
from rsd_jax.tokenizer_analysis import largest_change, measuring
from rsd_jax.tokenizer_analysis.measuring import Variant
from rsd_jax.tokenizer_analysis.results import mean_record


@pytest.fixture(scope="module")
def analysed(preflight_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("analysis") / "run"
    run_dir.mkdir()
    (run_dir / "demos").symlink_to(preflight_run / "demos")
    shutil.copytree(preflight_run / "policy", run_dir / "policy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(largest_change, "SWEEPS", 1)  # how well it searches is another test's matter
        largest_change._search.clear_cache()
        analyze_tokenizer.main(_config(run_dir))
        largest_change._search.clear_cache()
    return run_dir


def _config(run_dir: Path, *more: str):
    values = {"run_dir": run_dir, "results": run_dir / "tokenizer.json", "tokenizer_steps": 20, "head_steps": 4}
    # Of four layers, and trained: everything about eight compiles for half as long again.
    values |= {"variants": ("tiny",), "default": "tiny"}
    overrides = [f"--config.{name}={value}" for name, value in values.items()]
    return parse_config(["--config", "configs/tokenizer_analysis.py:tiny", *overrides, *more])


def test_results_hold_every_tokenizer_with_its_figures(analysed: Path) -> None:
    results = json.loads((analysed / "tokenizer.json").read_text())
    assert list(results["variants"]) == ["tiny", "openvla_bins", "dct_bpe_10"]
    figures = results["variants"]["tiny"]
    assert len(figures["token_mse_by_layer"]) == 4
    assert figures["train_steps"] == 20
    assert figures["forward_minus_token_mse"] == 0
    assert {"draft_l0_l2", "main_l3_l7", "draft_l0_l2_majority", "free_running_mse"} <= set(figures["head"])
    assert len(figures["head"]["draft_by_layer"]) == 3  # of those that its draft proposes, coarse ones alone
    assert results["data"]["heldout_episodes"] == 5
    assert results["data"]["clipped_fraction"].keys() == {"labels", "executed"}
    assert results["default"] == "tiny"
    assert results["seeds"] == [0]
    assert "<svg" in (analysed / "tokenizer_analysis" / "report.html").read_text()


def test_a_second_run_measures_nothing_again(analysed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured_again(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(measuring, "measure", measured_again)
    monkeypatch.setattr(measuring, "measure_bins", measured_again)
    analyze_tokenizer.main(_config(analysed))


def test_rows_of_another_policy_are_refused(analysed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyze_tokenizer, "_variant", lambda *_: Variant(_Settings(), None))
    with pytest.raises(ValueError, match="was made with chunk_length 8, but it is 4 now"):
        analyze_tokenizer.main(_config(analysed))


def test_a_trained_variant_keeps_its_schedule_over_another_number_of_steps() -> None:
    as_it_is, shorter = (analyze_tokenizer._variant("layernorm", steps) for steps in (0, 20))
    whole, part = as_it_is.training, shorter.training
    assert part.steps == part.evaluate_every == part.checkpoint_every == 20
    assert whole.steps > 20 >= part.warmup_steps
    frozen = [variant.settings.quantizer.freeze_after for variant in (as_it_is, shorter)]
    assert frozen[1] == 20 * frozen[0] // whole.steps > 0


class _Settings:
    chunk_length, smallest_half_range, action_range = 4, 0.05, "training"


def test_means_over_seeds_keep_the_structure() -> None:
    records = [{"seed": s, "a": [1.0 * s, None], "b": {"c": 2 * s}, "d": "x"} for s in (1, 3)]
    assert mean_record(records) == {"a": [2.0, None], "b": {"c": 4.0}, "d": "x"}


def test_the_policy_stays_as_it_was(analysed: Path, preflight_run: Path) -> None:
    before, after = (StageCheckpoints(run / "policy").read_metadata("best") for run in (preflight_run, analysed))
    assert before == after
