import json
from pathlib import Path

import pytest

from configs import libero_10, libero_40, libero_goal, libero_object, libero_spatial, openvla, quickstart
from eval_bridge.policies.decoders import DECODERS
from eval_bridge.runs.calibration_stages import CalibrationPlan
from eval_bridge.runs.pipeline_settings import read_pipeline
from eval_bridge.runs.pipeline_stages import PipelinePlan, named_decoders, stages_of
from launch.config_flags import load_config, parse_config

SUITES = (libero_spatial, libero_object, libero_goal, libero_10)
PIPELINES = (quickstart, libero_40, openvla, *SUITES)
ONE = ("speculative_greedy",)
THREE = ("speculative_greedy", "l1_regression", "autoregressive")


def test_commands_are_those_of_the_documentation():
    stages = stages_of(PipelinePlan(Path("runs/x"), "quickstart", 3, ONE))
    assert [stage.name for stage in stages] == ["collect", "rfsq", "policy", "draft", "main_head", "evaluate"]
    assert str(stages[2]) == (
        "python -m launch.train --config configs/policy.py:quickstart --config.run_dir=runs/x --config.seed=3"
    )


def test_collection_and_evaluations_render_on_the_devices_asked_for_and_nothing_else_is_told_of_them():
    stages = stages_of(PipelinePlan(Path("runs/x"), "libero_spatial", 3, THREE, render_devices=(0, 1)))
    told = [stage.name for stage in stages if "--config.render_devices=(0,1)" in stage.command]
    assert told == ["collect", "evaluate", "evaluate_l1_regression", "evaluate_autoregressive", "report"]


def test_another_tokenizer_changes_no_other_configuration():
    stages = stages_of(PipelinePlan(Path("runs/x"), "libero_spatial", 3, ONE, tokenizer="layernorm"))
    variants = {stage.name: str(stage).split(".py:")[1].split(" ")[0] for stage in stages}
    assert variants.pop("rfsq") == "layernorm"
    assert set(variants.values()) == {"libero_spatial"}


def test_a_cascade_has_its_own_policy_trained_before_it_is_evaluated_and_no_other_decoder_waits_for_it():
    stages = stages_of(PipelinePlan(Path("runs/x"), "tiny", 0, ("l1_regression", "cascade")))
    names = [stage.name for stage in stages]
    assert names[:6] == ["collect", "rfsq", "policy", "draft", "main_head", "evaluate"]
    assert names[6:] == ["draft_policy", "confidence", "evaluate_cascade", "report"]
    reads = {stage.name: stage.reads for stage in stages}
    assert reads["confidence"] == ("collect", "rfsq", "policy", "draft", "main_head", "draft_policy")
    assert reads["policy"] == ("collect", "rfsq")
    assert "draft_policy" not in reads["evaluate"]
    assert "draft_policy" in reads["evaluate_cascade"]


def test_an_early_exit_has_its_own_head_trained_and_no_cascade():
    stages = [stage.name for stage in stages_of(PipelinePlan(Path("runs/x"), "tiny", 0, ("early_exit",)))]
    assert stages[4:] == ["main_head", "early_exit", "evaluate"]


def test_every_decoder_has_an_evaluation_and_the_first_a_report_beside_the_others():
    evaluations = stages_of(PipelinePlan(Path("runs/x"), "libero_spatial", 1, THREE))[5:]
    assert [(stage.name, str(stage.output)) for stage in evaluations] == [
        ("evaluate", "runs/x/evaluation"),
        ("evaluate_l1_regression", "runs/x/evaluation_l1_regression"),
        ("evaluate_autoregressive", "runs/x/evaluation_autoregressive"),
        ("report", "runs/x/evaluation/comparisons.json"),
    ]
    assert all("evaluate" not in stage.reads for stage in evaluations[:3])  # none is made anew because of another
    for stage, decoder in zip(evaluations, (*THREE, THREE[0]), strict=True):
        config = parse_config(stage.command[3:])
        assert (config.decoder, config.run_dir, config.seed) == (decoder, "runs/x", 7)
        folder = stage.output.parent if stage.name == "report" else stage.output
        assert config.output == folder.name
        compared = ("evaluation_l1_regression", "evaluation_autoregressive") if stage.name == "report" else ()
        assert config.compare_with == compared


@pytest.mark.parametrize(
    ("decoders", "message"),
    [((), "must name at least one"), (ONE * 2, "only once"), (("greedy",), "'greedy' is not a decoder")],
)
def test_impossible_decoders_are_refused(decoders, message):
    with pytest.raises(ValueError, match=message):
        stages_of(PipelinePlan(Path("runs/x"), "tiny", 0, decoders))


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_stage_has_the_variants_of_the_pipelines(pipeline):
    for variant in pipeline.VARIANTS:
        config = pipeline.get_config(variant)
        decoders = dict.fromkeys((*config.decoders, "cascade", "early_exit"))
        plan = PipelinePlan(
            *(Path(config.run_dir), config.variant, 0, tuple(decoders)),
            suites=config.suites,
            suite_variant=config.suite_variant,
        )
        for stage in stages_of(plan):
            source = stage.command[4]
            module, values = load_config(source)
            assert source.partition(":")[2] in module.VARIANTS, source
            if len(config.suites) == 1:
                assert values.run_dir == f"runs/{variant}"


def test_one_policy_learns_all_suites_and_is_evaluated_on_each_with_a_calibration_of_its_own():
    config = libero_40.get_config()
    calibration = CalibrationPlan(**config.calibration)
    suites, decoders = ("libero_goal", "libero_10"), ("l1_regression", "cascade")
    several = {"suites": suites, "suite_variant": "{suite}"}
    plan = PipelinePlan(Path("runs/x"), "libero_40", 2, decoders, calibration=calibration, **several)
    stages = {stage.name: stage for stage in stages_of(plan)}
    assert list(stages) == [
        *("collect_libero_goal", "collect_libero_10", "rfsq", "policy", "draft", "main_head"),
        *("evaluate_libero_goal", "evaluate_libero_10", "draft_policy", "confidence"),
        *("watch_libero_goal", "calibrate_libero_goal", "evaluate_libero_goal_cascade"),
        *("watch_others_libero_goal", "check_libero_goal"),
        *("watch_libero_10", "calibrate_libero_10", "evaluate_libero_10_cascade"),
        *("watch_others_libero_10", "check_libero_10"),
        *("report_libero_goal", "report_libero_10"),
    ]
    assert stages["policy"].reads == ("collect_libero_goal", "collect_libero_10", "rfsq")
    assert [stages[name].reads for name in plan.collections] == [(), ()]  # none is made anew because of another
    collected, evaluated = (parse_config(stages[f"{name}_libero_10"].command[3:]) for name in ("collect", "evaluate"))
    assert (collected.suite, collected.seed, collected.demos_per_task) == ("libero_10", 2, 50)
    assert (evaluated.suite, evaluated.output) == ("libero_10", "evaluation_libero_10")
    watched, acting = (
        parse_config(stages[name].command[3:]) for name in ("watch_libero_10", "evaluate_libero_10_cascade")
    )
    assert (watched.suite, watched.simulator, watched.output) == (
        "libero_10",
        "libero_development",
        "watched_libero_10",
    )
    assert acting.calibration == "libero_10_confidence_alpha0.05_epsilon0.1"
    assert str(stages["calibrate_libero_10"]).endswith(" --suite libero_10")
    assert str(stages["calibrate_libero_10"].output) == f"runs/x/calibrations/{acting.calibration}.json"
    compared = parse_config(stages["report_libero_10"].command[3:])
    assert (compared.output, compared.compare_with) == ("evaluation_libero_10", ("evaluation_libero_10_cascade",))
    assert plan.headlines == ("evaluate_libero_goal", "evaluate_libero_10")


def test_the_demonstrations_of_forty_tasks_are_those_of_each_suites_own_run():
    """All but the folder."""
    suites = libero_40.get_config().suites
    together = stages_of(PipelinePlan(Path("runs/x"), "libero_40", 3, ONE, suites=suites, suite_variant="{suite}"))
    for suite, stage in zip(suites, together, strict=False):
        own = stages_of(PipelinePlan(Path("runs/x"), suite, 3, ONE, suites=(suite,)))[0]
        assert (stage.command, stage.output) == (own.command, own.output)


def test_corrections_of_a_policy_lie_beside_the_demonstrations_and_both_are_learned_from():
    plan = PipelinePlan(Path("runs/x"), "libero_10", 3, ONE, suites=("libero_10",), corrections_of="runs/first")
    collect, correct, rfsq, *_ = stages_of(plan)
    assert (collect.name, str(collect.output)) == ("collect", "runs/x/demos/libero_10")
    assert (correct.name, str(correct.output)) == ("correct", "runs/x/demos/libero_10_corrections")
    assert rfsq.reads == ("collect", "correct")
    config = parse_config(correct.command[3:])
    assert (config.suite, config.seed, config.takeover.policy_of) == ("libero_10", 3, "runs/first")
    assert (config.run_dir, config.takeover.earliest) == ("runs/x", 1)
    several = PipelinePlan(
        *(Path("runs/x"), "libero_40", 3, ONE),
        suites=("libero_goal", "libero_10"),
        suite_variant="{suite}",
        corrections_of="runs/first",
    )
    names = [stage.name for stage in stages_of(several)]
    assert names[2:4] == ["correct_libero_goal", "correct_libero_10"]


def test_a_next_part_keeps_the_tokenizer_and_begins_with_the_weights_that_there_are(tmp_path):
    (tmp_path / "draft_policy/best/00000001").mkdir(parents=True)

    def starts(source):
        plan = PipelinePlan(
            *(Path("runs/x"), "libero_spatial", 1, ("cascade",)), start_from=source, demos_variant="layouts_{suite}"
        )
        stages = {stage.name: stage for stage in stages_of(plan)}
        assert parse_config(stages["collect"].command[3:]).layout.probability == 0.8
        configs = {
            name: parse_config(stage.command[3:])
            for name, stage in stages.items()
            if stage.command[2] == "launch.train"
        }
        assert (configs["rfsq"].training.steps, configs["rfsq"].training.warmup_steps) == (1, 0)
        return {name: config.get("start_from") for name, config in configs.items()}

    always = dict.fromkeys(("rfsq", "policy", "draft", "main_head"), str(tmp_path))
    assert starts(str(tmp_path)) == {**always, "draft_policy": str(tmp_path), "confidence": None}
    shipped = "pretrained/libero_spatial"
    assert starts(shipped) == {**dict.fromkeys(always, shipped), "draft_policy": "", "confidence": None}


def test_weights_to_begin_with_are_refused_for_a_converted_policy():
    values = openvla.get_config("tiny").to_dict() | {"start_from": "runs/first"}
    with pytest.raises(ValueError, match="this run converts its policy and trains none"):
        read_pipeline(values)


@pytest.mark.parametrize(
    ("suites", "variant", "message"),
    [
        (("libero_10",) * 2, "{suite}", "each only once"),
        ((), "", "at least one suite"),
        (("libero_10", "libero_goal"), "tiny", "must hold {suite}"),
    ],
)
def test_impossible_suites_are_refused(suites, variant, message):
    with pytest.raises(ValueError, match=message):
        PipelinePlan(Path("runs/x"), "libero_40", 0, ONE, suites=suites, suite_variant=variant)


def test_a_decoder_is_evaluated_with_its_settings():
    settings = {"cascade": "rule=both tolerance=0.1", "certified": ""}
    *_, cascade, full, report = stages_of(
        PipelinePlan(Path("runs/x"), "tiny", 0, ("cascade", "fixed_point"), settings)
    )
    for stage in (cascade, report):  # which go on with the same log
        assert parse_config(stage.command[3:]).decoder_settings == "rule=both tolerance=0.1"
    assert parse_config(full.command[3:]).decoder_settings == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"cascade": "rule=both"},
            r"decoder_settings has settings of cascade, and decoders=\('speculative_greedy',\)",
        ),
        ({"greedy": "rule=both"}, "'greedy' is not a decoder"),
        ({"speculative_greedy": "rule=both"}, "speculative_greedy takes NAME=VALUE of these settings"),
    ],
)
def test_settings_that_no_evaluation_has_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        stages_of(PipelinePlan(Path("runs/x"), "tiny", 0, ONE, settings))


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipelines_configuration_names_a_place_for_settings_of_decoders_alone(pipeline):
    config = pipeline.get_config()
    named_decoders(tuple(DECODERS.kinds), config.decoder_settings.to_dict())
    assert not any(config.decoder_settings.values())


@pytest.mark.parametrize("variant", sorted({name for each in (quickstart, *SUITES) for name in each.VARIANTS}))
def test_the_confidence_of_a_cascade_has_episodes_to_learn_and_to_be_judged_on(variant):
    names = ("demos", "policy", "confidence")
    demos, policy, confidence = (load_config(f"configs/{name}.py:{variant}")[1] for name in names)
    held_out = (len(demos.tasks) or 10) * (demos.demos_per_task // policy.model.heldout_every)
    assert held_out >= max(2, confidence.model.judged_every)


@pytest.mark.parametrize("pipeline", SUITES)
def test_published_rows_are_ten_tasks_with_fifty_episodes_each(pipeline):
    suite = pipeline.get_config().variant
    _, demos = load_config(f"configs/demos.py:{suite}")
    _, evaluation = load_config(f"configs/libero_eval.py:{suite}")
    assert pipeline.__name__ == f"configs.{suite}"
    assert (demos.suite, len(demos.tasks), demos.demos_per_task) == (suite, 10, 50)
    assert (evaluation.suite, evaluation.tasks, evaluation.episodes_per_task) == (suite, (), 50)


def test_collection_is_finished_when_all_tasks_are(tmp_path):
    collect = stages_of(PipelinePlan(tmp_path, "tiny", 0, ONE))[0]
    collect.output.mkdir(parents=True)
    (collect.output / "first_demo.hdf5").touch()
    assert not collect.is_finished(collect.output)
    (collect.output / "collection.json").touch()
    assert collect.is_finished(collect.output)


def test_evaluation_with_missing_episodes_is_not_finished(tmp_path):
    evaluate = stages_of(PipelinePlan(tmp_path, "tiny", 0, ONE))[-1]
    evaluate.output.mkdir()
    summary = {"decoder": "speculative_greedy", "episodes": 10, "planned": 10}
    (evaluate.output / "report.html").touch()
    (evaluate.output / "summary.json").write_text(json.dumps({**summary, "episodes": 9}))
    assert not evaluate.is_finished(evaluate.output)
    (evaluate.output / "summary.json").write_text(json.dumps({**summary, "timing": {"execution": "hold"}}))
    assert not evaluate.is_finished(evaluate.output)  # time passed in it
    (evaluate.output / "summary.json").write_text(json.dumps({**summary, "perturbation": {"name": "camera"}}))
    assert not evaluate.is_finished(evaluate.output)
    (evaluate.output / "summary.json").write_text(json.dumps(summary))
    assert evaluate.is_finished(evaluate.output)
    other = stages_of(PipelinePlan(tmp_path, "tiny", 0, ("l1_regression",)))[-1]
    assert other.output == evaluate.output  # the headline's folder, which holds another decoder's episodes
    assert not other.is_finished(other.output)


def test_an_evaluation_with_other_settings_is_not_finished(tmp_path):
    def evaluate(settings: str):
        return stages_of(PipelinePlan(tmp_path, "tiny", 0, ("cascade",), {"cascade": settings}))[-1]

    output = evaluate("").output
    output.mkdir()
    (output / "report.html").touch()
    summary = {"decoder": "cascade", "episodes": 10, "planned": 10}
    (output / "summary.json").write_text(json.dumps(summary))  # of a time without settings
    assert evaluate("").is_finished(output)
    assert not evaluate("tolerance=0.1").is_finished(output)
    (output / "summary.json").write_text(json.dumps({**summary, "decoder_settings": "rule=agreement tolerance=0.1"}))
    assert evaluate("tolerance=.10").is_finished(output)
    assert not evaluate("tolerance=0.2").is_finished(output)


def test_report_is_finished_when_it_compares_with_every_other_decoder(tmp_path):
    report = stages_of(PipelinePlan(tmp_path, "tiny", 0, THREE))[-1]
    report.output.parent.mkdir()
    assert not report.is_finished(report.output)
    report.output.write_text(json.dumps([{"first": {"name": "evaluation_l1_regression"}}]))
    assert not report.is_finished(report.output)
    names = ("evaluation_l1_regression", "evaluation_autoregressive")
    report.output.write_text(json.dumps([{"first": {"name": name}} for name in names]))
    assert report.is_finished(report.output)
