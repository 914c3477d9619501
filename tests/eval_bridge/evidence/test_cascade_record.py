"""The published figures of a run's cascades."""

import copy
import dataclasses
import json

import pytest

from eval_bridge.evaluation.comparison import compare_folders
from eval_bridge.evidence.cascade_record import read_cascade_record
from eval_bridge.statistics.intervals import wilson_interval
from rsd_jax.run_folder import calibration_paths
from tests.eval_bridge.evidence.cascade_examples import (
    AGREEMENT,
    CONFIDENCE,
    QUERY,
    calibrate,
    evaluate,
    make_run,
    time,
)
from tests.results.figures import disagreements

SCHEMA = (
    *("rule", "settings", "named_before", "suite", "episodes", "successes", "interval", "skipped", "chunk_ms_mean"),
    *("chunk_ms_mean_full", "paired", "alpha", "epsilon", "risk", "risk_interval"),
)


@pytest.fixture
def run_dir(tmp_path):
    return make_run(tmp_path / "run")


def read(run_dir, *times, **changes):
    record = read_cascade_record(run_dir, dataclasses.replace(QUERY, times=times, **changes))
    return json.loads(json.dumps(record, allow_nan=False))


def test_every_complete_evaluation_by_a_cascade_is_a_row_the_named_one_first(run_dir):
    evaluate(run_dir / "perturbed", "cascade", CONFIDENCE, perturbation="camera")
    record = read(run_dir)
    rows = record["rows"]
    assert [(row["folder"], row["rule"], row["named_before"]) for row in rows] == [
        ("chosen", "confidence", True),
        ("evaluation_cascade", "both", False),
        ("of_old", "early_exit", False),
    ]
    assert all(set(SCHEMA) <= row.keys() for row in rows)
    first = rows[0]
    assert (first["episodes"], first["successes"], first["skipped"]) == (8, 7, 0.5)
    assert first["interval"] == pytest.approx(wilson_interval(7, 8))
    assert [row["settings"] for row in rows] == [
        "rule=confidence threshold=0.1 longest_run=7",
        "rule=both tolerance=0.3 threshold=0.1 coarse_layers=3 longest_run=1",
        "rule=agreement tolerance=0.3 coarse_layers=3 longest_run=1",
    ]
    assert (record["full"]["folder"], record["full"]["successes"]) == ("the_full_one", 6)
    assert (record["commit"], record["device"], record["versions"]) == ("abc", "one GPU", {"jax": "0.10.2"})


def test_paired_figures_are_those_of_the_comparison_with_the_full_decoder(run_dir):
    paired = read(run_dir)["rows"][0]["paired"]
    comparison = compare_folders(run_dir / "the_full_one", run_dir / "chosen")
    assert paired == json.loads(json.dumps(comparison.to_json()))
    assert paired["counts"] == {"both": 5, "first_only": 1, "second_only": 2, "neither": 0}
    assert paired["difference"] == 1 / 8
    other = read(run_dir, full=run_dir / "evaluation")["rows"][0]["paired"]
    assert (other["first"]["name"], other["difference"]) == ("evaluation", 1 / 8)


def test_a_row_has_the_calibration_of_its_settings_and_of_several_the_named_one(run_dir):
    named, both, _ = read(run_dir)["rows"]
    assert (named["alpha"], named["epsilon"], named["checked_episodes"]) == (0.05, 0.1, 3)
    assert named["risk"] == pytest.approx((0.1 + 0 + 0.1) / 3)
    assert (both["alpha"], both["epsilon"], both["risk"], both["risk_interval"]) == (None,) * 4
    half = read(run_dir, alpha=0.025)["rows"][0]
    assert (half["alpha"], half["risk"], half["risk_interval"]) == (0.025, None, None)  # it was not checked
    assert len(read(run_dir)["calibrations"]) == 4


def test_a_row_has_the_times_of_its_settings_on_each_device(run_dir, tmp_path):
    files = (
        time(tmp_path / "a.json", "threshold=0.1 rule=confidence longest_run=7 coarse_layers=1", 8.0),
        time(tmp_path / "b.json", CONFIDENCE, 12.0, device="a card"),
        time(tmp_path / "c.json", AGREEMENT, 16.0, decoder="early_exit"),
    )
    named, both, early_exit = read(run_dir, *files)["rows"]
    assert (named["chunk_ms_mean"], named["chunk_ms_mean_full"]) == (8.0, 24.0)
    assert [(each["device"], each["full_over_cascade"]) for each in named["times"]] == [("2 cores", 3), ("a card", 2)]
    assert (both["chunk_ms_mean"], both["times"], early_exit["chunk_ms_mean"]) == (None, [], 16.0)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"settings": "rule=confidence threshold=0.2 longest_run=7"}, "by which nothing was evaluated: evaluate it"),
        (
            {"settings": CONFIDENCE, "full_decoder": "l1_regression"},
            "timed beside l1_regression on 2 cores",
        ),
        ({"settings": CONFIDENCE, "suite": "libero_goal"}, "is of suite=libero_goal, and rows are of libero_spatial"),
        ({"settings": CONFIDENCE, "checkpoints": {"policy": "x"}}, r"is of another policy than .*launch.time_cascade"),
        ({"settings": "", "decoder": "certified"}, "is of decoder=certified, which drafts nothing before"),
    ],
)
def test_times_that_belong_to_no_row_are_refused(run_dir, tmp_path, file, message):
    own = {"cascade_ms": 8.0} | file
    with pytest.raises(ValueError, match=message):
        read(run_dir, time(tmp_path / "time.json", **own))


def test_what_is_missing_or_told_twice_is_named(run_dir, tmp_path):
    twice = [time(tmp_path / name, CONFIDENCE, 8.0) for name in ("a.json", "b.json")]
    with pytest.raises(ValueError, match=r"b.json tells of cascade with rule=confidence .* on 2 cores again"):
        read(run_dir, *twice)
    with pytest.raises(ValueError, match=r"d.json does not exist; python -m launch.time_cascade makes it"):
        read(run_dir, tmp_path / "d.json")
    with pytest.raises(ValueError, match="holds no complete evaluation of libero_goal in simulator=libero by"):
        read(run_dir, suite="libero_goal")
    evaluate(run_dir / "again", "fixed_point")
    with pytest.raises(ValueError, match="holds 2 evaluations by fixed_point, again, the_full_one: name the one"):
        read(run_dir)
    with pytest.raises(ValueError, match=r"--full=.*begin holds no summary.json"):
        read(run_dir, full=run_dir / "begin")
    calibrate(run_dir, "", 0.3, 0.1, checked=False, checkpoints={"confidence": "trained again"})
    with pytest.raises(ValueError, match=r"alpha0.3_epsilon0.1.json is of another confidence than"):
        read(run_dir, full=run_dir / "again")


def test_an_evaluation_by_other_checkpoints_is_refused(run_dir):
    (run_dir / "rfsq/best/00000001/metadata.json").write_text("trained again")
    with pytest.raises(ValueError, match="the_full_one was run with another rfsq than"):
        read(run_dir)


@pytest.fixture
def record(run_dir, tmp_path):
    return read(run_dir, time(tmp_path / "a.json", CONFIDENCE, 8.0))


def test_figures_of_a_record_follow_from_its_counts(record):
    assert list(disagreements(record)) == []


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["rows", 0, "interval", 0], 0.5, "interval"),
        (["rows", 0, "successes"], 6, "chosen: successes"),
        (["full", "successes"], 7, "the full decoder's"),
        (["rows", 0, "paired", "difference"], -0.125, "difference"),
        (["rows", 0, "paired", "interval", "low"], 0.0, "interval"),
        (["rows", 0, "paired", "per_task", 0, "counts", "both"], 4, "counts"),
        (["rows", 0, "risk"], 0.01, "chosen: risk"),
        (["rows", 0, "risk_interval", 1], 0.04, "chosen: risk_interval"),
        (["rows", 0, "chunk_ms_mean"], 6.0, "chosen: chunk_ms_mean"),
        (["rows", 0, "times", 0, "full_over_cascade"], 4.0, "full_over_cascade"),
        (["calibrations", 1, "checked_on", "risk"], 0.0, "risk"),
        (["calibrations", 1, "checked_on", "by_episode", "far", 1], 3, "risk"),
        (["calibrations", 3, "threshold"], 0.2, "threshold"),
        (["calibrations", 3, "bound"], 0.04, "bound"),
        (["calibrations", 3, "fitted_on", "risk"], 0.02, "fitted_on"),
    ],
)
def test_a_changed_figure_is_named(record, path, value, named):
    tampered = copy.deepcopy(record)
    *way, last = path
    place = tampered
    for key in way:
        place = place[key]
    place[last] = value
    assert any(named in message for message in disagreements(tampered))


def test_of_a_run_of_several_suites_the_suites_own_calibrations_are_told(run_dir):
    for own in calibration_paths(run_dir):
        facts = json.loads(own.read_text())
        for suite in ("libero_spatial", "libero_goal"):
            own.with_name(f"{suite}_{own.name}").write_text(json.dumps(facts | {"suite": suite}))
        own.unlink()
    assert {each["suite"] for each in read(run_dir)["calibrations"]} == {"libero_spatial"}
