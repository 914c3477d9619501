import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from eval_bridge.evaluation.summary import summarise, write_summary
from eval_bridge.evidence.fine_grained import FINE_GRAINED, pool_fine_grained
from eval_bridge.evidence.suite_record import as_json, from_json
from eval_bridge.simulators.libero.suites import get_suite
from eval_bridge.statistics.intervals import wilson_interval
from launch.record_suite import main
from rsd_jax.checkpoints import CheckpointMetadata
from rsd_jax.checkpoints.manifest import write_manifest
from rsd_jax.content_check import read_checked_json, write_checked_json
from tests.eval_bridge.evaluation.folder_examples import write_evaluation
from tests.eval_bridge.evaluation.log_examples import DIGEST, MANIFEST, log_of, make_log, make_record
from tests.results.figures import disagreements

HEAD = {
    "accuracy_by_layer_teacher": [0.9, 0.8, 0.7, 0.6, 0.5],
    "majority_by_layer_teacher": [0.4, 0.3, 0.2, 0.2, 0.1],
    "accuracy_by_layer_demonstrations": [0.7, 0.5, 0.3, 0.2, 0.2],
    "majority_by_layer_demonstrations": [0.4, 0.3, 0.2, 0.2, 0.1],
}
DRAFT = {name: values[:3] for name, values in HEAD.items()}
TRAINING = {"training": {"steps": 500, "best_step": 400, "seconds": 9.0, "device": "one GPU"}}
SECONDS = {"collect": 120.0, "rfsq": 6.0, "policy": 300.0, "draft": 30.0, "main_head": 30.0, "evaluate": 114.0}

# Episodes of two tasks by who solved them: both 2, the headline alone 3, the teacher alone 1, neither 1.
SPECULATIVE = {0: "++++", 1: "+--"}
TEACHER = {0: "+---", 1: "++-"}
AUTOREGRESSIVE = SPECULATIVE


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def make_run(run_dir: Path, seed: int = 0, seconds=SECONDS, demos: str = "") -> Path:
    write_json(run_dir / "pipeline.json", {"variant": "x", "seed": seed, "demos": demos, "stage_seconds": seconds})
    if demos:
        (run_dir / "demos").mkdir(parents=True)
        (run_dir / "demos/suite").symlink_to(Path(demos) / "demos/suite")
    else:
        write_json(run_dir / "demos/suite/a_demo.json", {"successes": 20, "attempts_made": 21, "steps": 1800})
        write_json(run_dir / "demos/suite/b_demo.json", {"successes": 20, "attempts_made": 20, "steps": 2200})
    write_json(run_dir / "rfsq/metrics.json", {"heldout_token_mse": 0.01, **TRAINING})
    write_json(run_dir / "policy/metrics.json", {"heldout_l1": 0.0512, **TRAINING})
    write_json(run_dir / "draft/metrics.json", {**DRAFT, **TRAINING})
    write_json(run_dir / "main_head/metrics.json", {**HEAD, **TRAINING})
    (run_dir / "rfsq/best/00000001").mkdir(parents=True)
    (run_dir / "rfsq/best/00000001/metadata.json").write_text(MANIFEST)
    write_evaluation(run_dir / "evaluation", log_of(SPECULATIVE))
    write_evaluation(run_dir / "evaluation_l1_regression", log_of(TEACHER, decoder="l1_regression"))
    write_evaluation(run_dir / "evaluation_autoregressive", log_of(AUTOREGRESSIVE, decoder="autoregressive"))
    return run_dir


def facts(seconds: float, device: str | None, steps: int, best_step: int | None = None) -> dict:
    return {"seconds": seconds, "device": device, "steps": steps, "best_step": best_step}


@pytest.fixture
def run_dir(tmp_path):
    return make_run(tmp_path / "run")


def record(tmp_path: Path, *arguments: object, name: str = "libero_spatial") -> dict:
    results = tmp_path / f"{name}.json"
    main([*map(str, arguments), "--results", str(results)])
    return json.loads(results.read_text())


def test_rows_have_the_figures_of_the_evaluations(run_dir, tmp_path):
    rows = record(tmp_path, run_dir)["rows"]
    assert [row["decoder"] for row in rows] == ["speculative_greedy", "l1_regression", "autoregressive"]
    first = rows[0]
    assert (first["seed"], first["episodes"], first["successes"]) == (0, 7, 5)
    assert first["success_rate"] == pytest.approx(5 / 7)
    assert first["interval"] == pytest.approx(wilson_interval(5, 7))
    assert [(task["episodes"], task["successes"]) for task in first["per_task"]] == [(4, 4), (3, 1)]
    assert first["token_acceptance"] == 0.5  # (6 + 2) of (8 + 8), by the builder of the logs
    assert (first["rounds_mean"], first["chunk_ms_p50"], first["chunk_ms_p99"]) == (4.0, 8.0, 9.5)
    assert first["layer_acceptance"][:2] == [0.75, 0.25]
    assert first["column_acceptance"] == [0.75, 0.25]
    assert first["whole_layer_acceptance"] == [0.5, 0.0, None]
    assert first["checkpoints"] == {"rfsq": DIGEST}


def test_rows_of_one_decoder_are_told_apart_by_their_settings(run_dir, tmp_path, capsys):
    for name, settings in (("one", "rule=both"), ("other", "tolerance=0.1")):
        log = log_of(SPECULATIVE, decoder="cascade", decoder_settings=settings)
        write_evaluation(run_dir / f"evaluation_cascade_{name}", log)
    rows = record(tmp_path, run_dir)["rows"]
    assert [row.get("settings") for row in rows] == [None, None, None, "rule=both", "tolerance=0.1"]
    document = tmp_path / "document.md"
    document.write_text("<!-- libero_spatial -->\n<!-- /libero_spatial -->\n")
    capsys.readouterr()
    main(["--results", str(tmp_path / "libero_spatial.json"), "--readme", str(document)])  # from the file
    for line in (
        "| success of `cascade rule=both` |",
        "| `speculative_greedy` minus `cascade tolerance=0.1`, same starts |",
    ):
        assert line in document.read_text()


def test_paired_figures_are_the_headline_minus_the_other(run_dir, tmp_path):
    headline, teacher, autoregressive = (row["paired"] for row in record(tmp_path, run_dir)["rows"])
    assert teacher["against"] == "speculative_greedy"
    assert (teacher["episodes"], teacher["b"], teacher["c"]) == (7, 3, 1)
    assert teacher["difference"] == pytest.approx((3 - 1) / 7)
    # Of 4 episodes that one alone solved, at most 1 on the smaller side: (1 + 4) / 2^4, and twice that.
    assert teacher["p_value"] == pytest.approx(2 * 5 / 16)
    low, high = teacher["interval"]
    assert low < 2 / 7 < high
    assert headline == {**teacher, "against": "l1_regression"}
    assert (autoregressive["b"], autoregressive["c"], autoregressive["p_value"]) == (0, 0, 1.0)


def test_training_heads_and_origin(run_dir, tmp_path):
    results = record(tmp_path, run_dir)
    training = results["training"]
    assert training["seeds"] == [0]
    assert (training["demonstrations"], training["demonstration_attempts"]) == (40, 41)
    assert training["stages"]["collect"] == facts(120.0, None, 4000)
    assert training["stages"]["policy"] == facts(300.0, "one GPU", 500, best_step=400)
    # Five solved in 100 steps each, two given up after 220.
    assert training["stages"]["evaluate"] == facts(114.0, "one GPU", 940)
    assert training["seconds_to_report"] == 600.0
    assert results["heads"]["draft"] == [{"seed": 0, **DRAFT}]
    assert results["policy"] == [{"seed": 0, "heldout_l1": 0.0512}]
    assert (results["commit"], results["device"], results["versions"]) == ("abc", "one GPU", {"jax": "0.10.2"})


def test_the_parts_of_a_training_that_went_on_are_listed_and_read_again(run_dir, tmp_path):
    before = {"run": "runs/first", "stage": "policy", "seconds": 7.0}
    folder = run_dir / "policy/best/00000400"
    folder.mkdir(parents=True)
    metadata = CheckpointMetadata("policy", 400, {"training": {"steps": 500}}, parts=[before])
    write_manifest(folder, metadata.to_json())
    assert "parts" not in record(tmp_path, run_dir)["training"]  # of whose training no metrics tell
    training = TRAINING["training"] | {"parts": [before]}
    write_json(run_dir / "policy/metrics.json", {"heldout_l1": 0.0512, "training": training})
    results = record(tmp_path, run_dir)
    first, own = results["training"]["parts"]
    assert first == before
    assert (own["run"], own["stage"], own["steps"], own["best_step"]) == (str(run_dir), "policy", 500, 400)
    assert (own["seconds"], own["device"]) == (9.0, "one GPU")
    assert "parts" in results["definitions"]
    assert results["training"]["stages"]["policy"]["seconds"] == 300.0  # of this run alone
    assert as_json(from_json(results))["training"]["parts"] == [first, own]


def test_a_second_seed_counts_the_shared_demonstrations_seconds(run_dir, tmp_path):
    seconds = {name: value for name, value in SECONDS.items() if name != "collect"} | {"policy": 360.0}
    second = make_run(tmp_path / "second", seed=1, seconds=seconds, demos=str(run_dir))
    results = record(tmp_path, run_dir, second)
    assert [row["seed"] for row in results["rows"]] == [0, 0, 0, 1, 1, 1]
    assert results["training"]["seeds"] == [0, 1]
    (further,) = results["training"]["further_seeds"]
    assert further["demos_of"] == str(run_dir)
    assert further["stages"]["collect"]["seconds"] == 120.0
    assert further["seconds_to_report"] == 660.0


def test_the_demonstrations_of_one_suite_are_taken_from_a_run_of_several(run_dir, tmp_path):
    several = {"collect_other": 80.0, "collect_suite": 50.0}
    write_json(run_dir / "pipeline.json", {"variant": "x", "seed": 0, "demos": "", "stage_seconds": several})
    seconds = {name: value for name, value in SECONDS.items() if name != "collect"}
    second = make_run(tmp_path / "second", seed=1, seconds=seconds, demos=str(run_dir))
    assert record(tmp_path, second)["training"]["stages"]["collect"]["seconds"] == 50.0


def test_corrections_count_as_a_stage_of_their_own(run_dir, tmp_path):
    seconds = {name: value for name, value in SECONDS.items() if name != "collect"} | {"correct": 90.0}
    second = make_run(tmp_path / "second", seed=1, seconds=seconds, demos=str(run_dir))
    corrections = {"successes": 5, "attempts_made": 9, "steps": 400, "settings": {"takeover": {"latest": 9}}}
    write_json(second / "demos/suite_corrections/a_demo.json", corrections)
    results = record(tmp_path, second)
    assert list(disagreements(results)) == []
    training = results["training"]
    assert training["seconds_to_report"] == 600.0 + 90.0
    assert [training["stages"][name]["steps"] for name in ("collect", "correct")] == [4000, 400]
    assert (training["demonstrations"], training["demonstration_attempts"]) == (45, 50)


def test_of_another_run_the_demonstrations_seconds_alone_count(run_dir, tmp_path):
    seconds = {name: value for name, value in SECONDS.items() if name not in ("collect", "evaluate")}
    second = make_run(tmp_path / "second", seed=1, seconds=seconds, demos=str(run_dir))
    with pytest.raises(ValueError, match="has no seconds of evaluate; finish the run"):
        record(tmp_path, second)


def test_readme_gets_the_table_between_its_own_markers(run_dir, tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(
        "a\n<!-- results -->\nother\n<!-- /results -->\n<!-- libero_spatial -->\n<!-- /libero_spatial -->\n"
    )
    record(tmp_path, run_dir, "--readme", readme)
    text = readme.read_text()
    assert text.startswith("a\n<!-- results -->\nother\n<!-- /results -->\n<!-- libero_spatial -->\n|  | seed 0 |")
    assert text.endswith("<!-- /libero_spatial -->\n")
    for line in (
        "| success of `speculative_greedy` | **5 of 7** (35.9% to 91.8%) |",
        "| OpenVLA-OFT as published, trained on human demonstrations | 97.6% |",
        "| token acceptance, rounds a chunk (8 is layer by layer) | 50.0%, 4.00 |",
        "| one chunk, `l1_regression`, p50 / p99 | 8.0 / 9.5 ms |",
        "| draft: accuracy L0-L2, of finer ones, teacher's tokens | **80.0** (30.0): 90(40) 80(30) 70(20) |",
        "| main head: accuracy L0-L2, L3-L7, teacher's tokens | **80.0** (30.0): 90(40) 80(30) 70(20); "
        "**55.0** (15.0): 60(20) 50(10) |",
        "| minutes from nothing to the first report | **10.0** |",
    ):
        assert line in text
    assert "| `speculative_greedy` minus `l1_regression`, same starts | +28.6 (" in text
    assert "b 3, c 1, p 0.62 |" in text


def test_devices_are_told_where_they_differ(run_dir, tmp_path, capsys):
    second = make_run(tmp_path / "second", seed=1)
    record(tmp_path, run_dir, second)
    assert "evaluated on" not in capsys.readouterr().out
    for name in ("evaluation_autoregressive", "evaluation_l1_regression", "evaluation"):
        path = second / name / "summary.json"
        write_checked_json(path, {**read_checked_json(path), "device": "two CPUs"})
        record(tmp_path, run_dir, second)
        if name == "evaluation_autoregressive":
            mixed = "`speculative_greedy`: one GPU; `l1_regression`: one GPU; `autoregressive`: two CPUs"
            assert f"| evaluated on | one GPU | {mixed} |" in capsys.readouterr().out
    assert "| evaluated on | one GPU | two CPUs |" in capsys.readouterr().out


def test_what_the_main_head_names_by_itself_gets_a_line_each(run_dir, tmp_path):
    metrics = {**HEAD, **TRAINING}
    for kind, accuracy in (("free_running", [0.9, 0.7]), ("one_pass", [0.8, 0.6])):
        metrics[f"{kind}_accuracy_by_layer_teacher"] = accuracy
        metrics[f"{kind}_decoded_teacher"] = {"l1": 0.0125, "gripper_accuracy": 1.0}
    write_json(run_dir / "main_head/metrics.json", metrics)
    policy = {"heldout_l1": 0.1, "heldout_l1_reworded": 0.2, "heldout_l1_zeroed_images": 0.3}
    write_json(run_dir / "policy/metrics.json", {**policy, **TRAINING})
    readme = tmp_path / "README.md"
    readme.write_text("<!-- libero_spatial -->\n<!-- /libero_spatial -->\n")
    record(tmp_path, run_dir, "--readme", readme)
    text = readme.read_text()
    for line in (
        "layer by layer by itself, teacher's tokens | **80.0**: 90 70; 0.0125 |",
        "one pass from its latents, teacher's tokens | **70.0**: 80 60; 0.0125 |",
        "| policy: held-out L1, with other words, without images | 0.1000, 0.2000, 0.3000 |",
    ):
        assert line in text


def test_fine_grained_tasks_are_pooled_with_their_interval(tmp_path):
    run_dir = make_run(tmp_path / "run")
    tasks = ("another_task", *FINE_GRAINED["libero_spatial"])
    outcomes = ("----", "++++", "+++-", "++--")
    records = [
        dataclasses.replace(make_record(0, episode, mark == "+"), task=task, task_index=index)
        for index, (task, marks) in enumerate(zip(tasks, outcomes, strict=True))
        for episode, mark in enumerate(marks)
    ]
    for path in (run_dir / "evaluation").iterdir():
        path.unlink()
    write_evaluation(run_dir / "evaluation", make_log(*records))
    pooled = record(tmp_path, run_dir)["rows"][0]["fine_grained"]
    assert (pooled["episodes"], pooled["successes"], pooled["success_rate"]) == (12, 9, 0.75)
    assert pooled["interval"] == pytest.approx(wilson_interval(9, 12))


def test_the_ten_fine_grained_tasks_are_tasks_of_their_suites():
    assert sum(map(len, FINE_GRAINED.values())) == 10
    for suite, tasks in FINE_GRAINED.items():
        assert set(tasks) <= set(get_suite(suite).tasks)
    assert pool_fine_grained("libero_object", [{"task": "any", "episodes": 1, "successes": 1}]) is None


def make_run_of_two_suites(run_dir: Path) -> Path:
    make_run(run_dir)
    for name in ("evaluation", "evaluation_l1_regression", "evaluation_autoregressive"):
        shutil.rmtree(run_dir / name)
    suites = {"libero_goal": {0: "++-", 1: "++"}, "libero_10": {0: "+-", 1: "---"}}
    seconds = {name: SECONDS[name] for name in ("rfsq", "policy", "draft", "main_head")}
    for suite, solved in suites.items():
        seconds |= {f"collect_{suite}": 60.0, f"evaluate_{suite}": 30.0}
        write_evaluation(run_dir / f"evaluation_{suite}", log_of(solved, suite=suite))
        write_evaluation(run_dir / f"evaluation_{suite}_cascade", log_of(solved, suite=suite, decoder="cascade"))
        summary = {"suite": suite, "successes": 20, "attempts_made": 21, "steps": 1800}
        write_json(run_dir / "demos" / suite / "a_demo.json", summary)
    shutil.rmtree(run_dir / "demos" / "suite")
    identity = {"variant": "libero_40", "seed": 0, "suites": list(suites)}
    write_json(run_dir / "pipeline.json", {**identity, "stage_seconds": seconds})
    return run_dir


def test_one_policy_for_several_suites_has_a_row_for_each_and_what_they_are_together(tmp_path):
    run_dir = make_run_of_two_suites(tmp_path / "run")
    results = record(tmp_path, run_dir, "--suite", "libero_40")
    assert list(disagreements(results)) == []
    assert [(row["suite"], row["decoder"], row["successes"], row["episodes"]) for row in results["rows"]] == [
        *(("libero_goal", decoder, 4, 5) for decoder in ("speculative_greedy", "cascade")),
        *(("libero_10", decoder, 1, 5) for decoder in ("speculative_greedy", "cascade")),
    ]
    first = results["together"][0]
    assert (first["decoder"], first["suites"]) == ("speculative_greedy", ["libero_goal", "libero_10"])
    assert (first["successes"], first["episodes"]) == (5, 10)
    assert first["average"] == pytest.approx((4 / 5 + 1 / 5) / 2)
    training = results["training"]
    assert training["stages"]["collect_libero_10"]["steps"] == 1800
    assert training["seconds_to_report"] == 6 + 300 + 30 + 30 + 2 * (60 + 30)
    assert [stage for stage in training["stages"] if stage.startswith("evaluate")] == [
        "evaluate_libero_goal",
        "evaluate_libero_10",
    ]


def test_several_suites_are_a_table_from_the_file_as_from_the_run(tmp_path, capsys):
    run_dir = make_run_of_two_suites(tmp_path / "run")
    record(tmp_path, run_dir, "--suite", "libero_40")
    printed = capsys.readouterr().out
    main(["--suite", "libero_40", "--results", str(tmp_path / "libero_spatial.json")])
    assert capsys.readouterr().out == printed
    for line in (
        "| libero_goal, `speculative_greedy` | **4 of 5** (37.6% to 96.4%) |",
        "| average, `cascade` | **50.0%**; **5 of 10** (23.7% to 76.3%) |",
        "| OpenVLA-OFT as published, a policy for each, human demonstrations | 97.9%, 94.5% |",
        "| libero_10: `speculative_greedy` minus `cascade`, same starts | +0.0 (",
        "| libero_goal: token acceptance, rounds a chunk | 50.0%, 4.00 |",
        "| minutes from nothing to the first report | **9.1** |",
    ):
        assert line in printed


def test_one_suite_of_several_is_not_told_as_a_run_of_its_own(tmp_path):
    run_dir = make_run_of_two_suites(tmp_path / "run")
    with pytest.raises(ValueError, match="learned libero_goal, libero_10 together: name them by --suite libero_40"):
        record(tmp_path, run_dir, "--suite", "libero_10")


def test_incomplete_and_foreign_evaluations_are_no_rows(run_dir, tmp_path):
    write_evaluation(run_dir / "evaluation_half", log_of({0: "+"}), planned=2)
    write_evaluation(run_dir / "evaluation_dev", log_of({0: "+"}, simulator="libero_development"))
    write_evaluation(run_dir / "evaluation_goal", log_of({0: "+"}, suite="libero_goal"))
    write_evaluation(run_dir / "evaluation_noise", log_of(SPECULATIVE, perturbation="noise"))
    (run_dir / "evaluation_empty").mkdir()
    assert len(record(tmp_path, run_dir)["rows"]) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pipeline.json", r"pipeline.json does not exist; finish the run: python -m launch.pipeline"),
        ("draft/metrics.json", r"draft/metrics.json does not exist; finish the run: python -m launch.pipeline"),
        ("evaluation/summary.json", r"evaluation/summary.json does not exist"),
    ],
)
def test_missing_files_are_named_with_the_command_and_nothing_is_written(run_dir, tmp_path, name, message):
    (run_dir / name).unlink()
    with pytest.raises(ValueError, match=message):
        record(tmp_path, run_dir)
    assert not (tmp_path / "libero_spatial.json").exists()


def test_an_incomplete_headline_is_refused(run_dir, tmp_path):
    write_summary(run_dir / "evaluation/summary.json", summarise(log_of(SPECULATIVE), planned=500))
    with pytest.raises(ValueError, match=r"has 7 of 500 episodes; finish it: python -m launch.pipeline"):
        record(tmp_path, run_dir)


def test_a_perturbed_headline_is_refused(run_dir, tmp_path):
    perturbed = log_of(SPECULATIVE, perturbation="noise")
    write_summary(run_dir / "evaluation/summary.json", summarise(perturbed, planned=7))
    with pytest.raises(ValueError, match=r"of a perturbed evaluation \(noise\): launch.record_perturbations tells"):
        record(tmp_path, run_dir)


def test_a_headline_on_development_starts_is_refused(run_dir, tmp_path):
    development = log_of(SPECULATIVE, simulator="libero_development")
    write_summary(run_dir / "evaluation/summary.json", summarise(development, planned=7))
    with pytest.raises(ValueError, match=r"of the simulator 'libero_development'; published rows are of 'libero'"):
        record(tmp_path, run_dir)


def test_rows_of_other_checkpoints_are_refused(run_dir, tmp_path):
    write_evaluation(run_dir / "evaluation_old", log_of(TEACHER, **{"checkpoint.rfsq": "other"}))
    with pytest.raises(ValueError, match="evaluation_old was run with another rfsq than"):
        record(tmp_path, run_dir)


def test_rows_of_what_was_trained_before_are_refused(run_dir, tmp_path):
    (run_dir / "rfsq/best/00000001/metadata.json").write_text("trained again")
    with pytest.raises(ValueError, match="evaluation was run with another rfsq than"):
        record(tmp_path, run_dir)


def test_seeds_with_different_evaluations_are_refused(run_dir, tmp_path):
    second = make_run(tmp_path / "second", seed=1)
    (second / "evaluation_autoregressive/summary.json").unlink()
    with pytest.raises(ValueError, match=r"second has the evaluations .* finish them"):
        record(tmp_path, run_dir, second)
    with pytest.raises(ValueError, match=r"seeds \[0, 0\]; name each seed once"):
        record(tmp_path, run_dir, run_dir)


def test_variants_of_libero_pro_have_a_row_each(run_dir, tmp_path):
    suites = [f"libero_spatial_{variant}" for variant in ("lan", "object", "swap", "task")]
    for suite, marks in zip(suites[:3], ("++", "+-", "--"), strict=True):
        write_evaluation(run_dir / f"evaluation_{suite}", log_of({0: marks}, suite=suite))
    with pytest.raises(
        ValueError, match=r"evaluation_libero_spatial_task/summary.json .*--config.episodes_per_task=10"
    ):
        record(tmp_path, run_dir, "--suite", "libero_pro")
    write_evaluation(run_dir / f"evaluation_{suites[3]}", log_of({0: "-+"}, suite=suites[3]))
    readme = tmp_path / "README.md"
    readme.write_text("<!-- libero_pro -->\n<!-- /libero_pro -->\n")
    rows = record(tmp_path, run_dir, "--suite", "libero_pro", "--readme", readme, name="libero_pro")["rows"]
    assert [(row["suite"], row["successes"], row["episodes"]) for row in rows] == [
        *((suites[0], 2, 2), (suites[1], 1, 2), (suites[2], 0, 2), (suites[3], 1, 2))
    ]
    assert all(row["paired"] is None for row in rows)
    assert "| `libero_spatial_swap` | **0 of 2** (0.0% to 65.8%) |" in readme.read_text()
    # None of them is a row of the suite itself.
    assert len(record(tmp_path, run_dir)["rows"]) == 3
