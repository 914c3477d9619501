import json
import sys
from functools import partial

import numpy as np
import pytest

from eval_bridge.evaluation.comparison import compare_folders
from eval_bridge.evaluation.delays import LatencyProfile
from eval_bridge.evaluation.folder import checkpoint_folder, results_folder
from eval_bridge.evaluation.merging import find_shards, merge_evaluations
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.decoders import stages_of_decoder
from eval_bridge.policies.interface import PolicyOutput
from eval_bridge.policies.real_time import RealTimePolicy
from eval_bridge.simulators.check_result import SelfCheckFailed
from launch import evaluate
from launch import merge_evaluations as merge_command
from launch.config_flags import ConfigError, parse_config, run
from rsd_jax.checkpoints import CheckpointMetadata
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.pretrained import PRETRAINED
from tests.eval_bridge.evaluation.evaluation_fakes import (
    DRAFT_COUNTS,
    CountingPolicy,
    counting_benchmark,
    make_trouble,
)
from tests.eval_bridge.evaluation.folder_examples import write_evaluation
from tests.eval_bridge.evaluation.log_examples import make_log, make_record
from tests.eval_bridge.serving.serving_examples import served

CONFIG_FILE = "configs/libero_eval.py"


class StandingPolicy(CountingPolicy):
    """Never moves, so that no point-mass episode succeeds."""

    def _chunk(self, number):
        return PolicyOutput(np.zeros((8, 7), np.float32), rounds=3, **DRAFT_COUNTS)


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run folder whose checkpoints exist by name, and a policy that stands in for theirs."""
    for stage in ("rfsq", "policy", "draft", "main_head"):
        folder = tmp_path / stage / "best" / "00000010"
        folder.mkdir(parents=True)
        facts = CheckpointMetadata(stage=stage, step=10, config={}).to_json()
        (folder / "metadata.json").write_text(json.dumps(facts))

    def load(run_dir, decoder, batch_size, settings):
        return StandingPolicy(decoder, batch_size)

    monkeypatch.setattr(CompiledPolicy, "load", load)
    return tmp_path


def config(run_dir, *overrides, variant="tiny"):
    workers = ["--config.workers=1"] if variant == "tiny" else []
    arguments = ["--config", f"{CONFIG_FILE}:{variant}", f"--config.run_dir={run_dir}"]
    return parse_config([*arguments, *workers, *overrides])


def command(monkeypatch, run_dir, *overrides):
    """Runs the command line; returns its exit status or message."""
    arguments = ["--config", f"{CONFIG_FILE}:tiny", f"--config.run_dir={run_dir}", "--config.workers=1", *overrides]
    monkeypatch.setattr(sys, "argv", ["launch.evaluate", *arguments])
    try:
        run(evaluate.main)
    except SystemExit as error:
        return error.code
    return 0


def test_tiny_evaluation_leaves_all_results(run_dir, monkeypatch, capsys):
    assert command(monkeypatch, run_dir) == 0
    output = run_dir / "evaluation"
    assert sorted(path.name for path in output.iterdir()) == [
        *("episodes.jsonl", "report.html", "summary.json", "traces", "videos"),
    ]
    summary = json.loads((output / "summary.json").read_text())
    assert (summary["suite"], summary["episodes"], summary["planned"], summary["errors"]) == ("point_mass", 2, 2, 0)
    assert summary["success_rate"] == 0.0
    assert summary["token_acceptance"] == 0.5
    assert set(summary["latency_ms"]["chunk"]) == {"p50", "p90", "p99"}
    assert [path.name for path in (output / "videos").iterdir()] == ["task00_episode000_failure.mp4"]
    printed = capsys.readouterr().out
    assert "success     0/2 = 0.0 %" in printed.replace("0.0%", "0.0 %")
    assert "report.html" in printed


def test_second_call_runs_only_what_is_missing(run_dir, monkeypatch):
    evaluate.evaluate(config(run_dir))
    lines = (run_dir / "evaluation" / "episodes.jsonl").read_text().splitlines()
    summary = evaluate.evaluate(config(run_dir, "--config.episodes_per_task=3"))
    added = (run_dir / "evaluation" / "episodes.jsonl").read_text().splitlines()[len(lines) :]
    assert [json.loads(line)["kind"] for line in added] == ["session", "episode", "speed"]
    assert summary.episodes == summary.planned == 3


def test_other_decoder_needs_another_folder(run_dir, monkeypatch):
    evaluate.evaluate(config(run_dir))
    message = command(monkeypatch, run_dir, "--config.decoder=autoregressive")
    assert "decoder: 'speculative_greedy' there, 'autoregressive' now" in message
    assert "--config.output=NAME" in message
    assert command(monkeypatch, run_dir, "--config.decoder=autoregressive", "--config.output=other") == 0


def test_comparisons_of_the_report_are_kept_as_figures(run_dir, monkeypatch):
    evaluate.evaluate(config(run_dir, "--config.decoder=autoregressive", "--config.output=evaluation_autoregressive"))
    evaluate.evaluate(config(run_dir))
    kept = run_dir / "evaluation" / "comparisons.json"
    assert not kept.exists()
    log = (run_dir / "evaluation" / "episodes.jsonl").read_bytes()
    evaluate.evaluate(config(run_dir, "--config.compare_with=('evaluation_autoregressive',)"))
    (comparison,) = json.loads(kept.read_text())
    assert (comparison["first"]["name"], comparison["second"]["name"]) == ("evaluation_autoregressive", "evaluation")
    assert "evaluation_autoregressive" in (run_dir / "evaluation" / "report.html").read_text()
    assert (run_dir / "evaluation" / "episodes.jsonl").read_bytes() == log  # nothing was run
    evaluate.evaluate(config(run_dir))
    assert not kept.exists()


def test_other_checkpoint_is_refused(run_dir, monkeypatch):
    evaluate.evaluate(config(run_dir))
    (run_dir / "draft" / "best" / "00000010" / "metadata.json").write_text("trained again")
    assert "checkpoint.draft" in command(monkeypatch, run_dir)


def test_remaining_errors_end_with_an_error_exit(run_dir, monkeypatch, tmp_path):
    make_trouble(tmp_path, "crash", 30)
    monkeypatch.setattr(evaluate, "get_benchmark", partial(counting_benchmark, tmp_path))
    message = command(monkeypatch, run_dir)
    assert "1 episodes crashed 3 times" in message
    summary = json.loads((run_dir / "evaluation" / "summary.json").read_text())
    assert (summary["errors"], summary["episodes"], summary["success_rate"]) == (1, 0, None)
    assert "the driver is gone" in (run_dir / "evaluation" / "report.html").read_text()


def test_broken_installation_is_refused_before_any_episode(run_dir, monkeypatch):
    monkeypatch.setattr(evaluate, "get_benchmark", partial(counting_benchmark, None, is_right=False))
    with pytest.raises(SelfCheckFailed):
        evaluate.evaluate(config(run_dir))


def test_an_evaluation_in_which_time_passes_needs_a_folder_of_its_own(run_dir, monkeypatch, capsys):
    delayed = ("--config.execution=hold", "--config.delay=3")
    evaluate.evaluate(config(run_dir))
    message = command(monkeypatch, run_dir, *delayed)
    assert "execution: None there, 'hold' now" in message
    assert command(monkeypatch, run_dir, *delayed, "--config.output=hold_3") == 0
    assert "time        hold, delay 3: 36 of 120 steps held in 12 calls" in capsys.readouterr().out
    identity = json.loads((run_dir / "hold_3" / "episodes.jsonl").read_text().splitlines()[0])["identity"]
    assert (identity["execution"], identity["delay"]) == ("hold", 3)
    message = command(monkeypatch, run_dir, "--config.execution=hold", "--config.delay=2", "--config.output=hold_3")
    assert "delay: 3 there, 2 now" in message
    warned = compare_folders(run_dir / "evaluation", run_dir / "hold_3").warnings
    assert "execution is 'blocking' in evaluation and 'hold' in hold_3" in warned


def test_a_perturbed_evaluation_needs_a_folder_of_its_own(run_dir, monkeypatch, capsys):
    evaluate.evaluate(config(run_dir))
    message = command(monkeypatch, run_dir, "--config.perturbation=noise")
    assert "perturbation: None there, 'noise' now" in message
    assert command(monkeypatch, run_dir, "--config.perturbation=noise", "--config.output=noise") == 0
    assert "perturbed   Sensor Noise of LIBERO-Plus, all levels: " in capsys.readouterr().out
    lines = [json.loads(line) for line in (run_dir / "noise" / "episodes.jsonl").read_text().splitlines()]
    assert lines[0]["identity"]["perturbation"] == "noise"
    assert [line["case"]["kind"] for line in lines if line["kind"] == "episode"] == ["noise"] * 2
    assert "Sensor Noise of LIBERO-Plus" in (run_dir / "noise" / "report.html").read_text()
    message = command(monkeypatch, run_dir, "--config.perturbation=noise_2", "--config.output=noise")
    assert "perturbation: 'noise' there, 'noise_2' now" in message
    warned = compare_folders(run_dir / "evaluation", run_dir / "noise").warnings
    assert "perturbation is 'none' in evaluation and 'noise' in noise" in warned


def test_an_evaluation_that_is_not_perturbed_tells_nothing_of_it(run_dir):
    evaluate.evaluate(config(run_dir))
    assert "perturb" not in (run_dir / "evaluation" / "episodes.jsonl").read_text()
    assert "perturb" not in (run_dir / "evaluation" / "summary.json").read_text()


def test_promises_are_made_to_a_policy_that_takes_them(run_dir, monkeypatch):
    class TakingPolicy(StandingPolicy):
        takes_promises = True

    loaded = []

    def load(folder, decoder, batch_size, settings, coarse_layers):
        loaded.append(coarse_layers)
        return TakingPolicy(decoder, batch_size)

    monkeypatch.setattr(RealTimePolicy, "load", load)
    chunking = ("--config.execution=rtc", "--config.delay=openvla_oft_a100", "--config.coarse_layers=2")
    summary = evaluate.evaluate(config(run_dir, *chunking, "--config.episodes_per_task=1"))
    assert loaded == [2]
    assert (summary.timing.delay, summary.timing.delay_mean) == ("openvla_oft_a100", 3)
    assert summary.timing.source.startswith("OpenVLA-OFT's published 0.112 s")


def test_policies_of_others_take_no_promise(run_dir):
    chunking = ("--config.execution=rtc", "--config.delay=3", "--config.policy=ws://localhost:1")
    with pytest.raises(ValueError, match=r"execution=rtc .* policy='ws://localhost:1' takes no promise"):
        evaluate.evaluate(config(run_dir, *chunking))


def test_shards_merge_into_what_one_host_would_have_written(run_dir, monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate, "get_benchmark", partial(counting_benchmark, None))
    more = ("--config.episodes_per_task=3", "--config.tasks=()", "--config.execution=async")
    more += ("--config.delay=injected_cpu_times_4",)
    whole = evaluate.evaluate(config(run_dir, *more, "--config.output=whole"))
    for shard in ("0/2", "1/2"):
        assert command(monkeypatch, run_dir, *more, f"--config.shard={shard}") == 0
    output = run_dir / "evaluation"
    (output / "shards/1_of_2/shadows").mkdir()  # as a watched cascade leaves them
    (output / "shards/1_of_2/shadows/task01_episode000.npz").touch()
    merged, _ = merge_evaluations(output, find_shards(output))
    for field in ("episodes", "successes", "planned", "per_task", "token_acceptance", "rounds_mean", "steps_mean"):
        assert getattr(merged, field) == getattr(whole, field), field
    assert merged.timing == whole.timing is not None
    assert len(list((output / "traces").iterdir())) == 6
    assert (output / "shadows/task01_episode000.npz").is_file()
    lines = (output / "episodes.jsonl").read_text()
    merge_command.main(config(run_dir, *more))
    assert (output / "report.html").is_file()
    assert (output / "episodes.jsonl").read_text() == lines


def test_a_part_that_is_not_complete_is_not_merged(run_dir, monkeypatch):
    monkeypatch.setattr(evaluate, "get_benchmark", partial(counting_benchmark, None))
    output = run_dir / "evaluation"
    assert command(monkeypatch, run_dir, "--config.shard=0/1", "--config.output=evaluation/shards/0_of_1") == 0
    shards = find_shards(output)
    (shards[0] / "summary.json").unlink()  # as a killed evaluation leaves it
    with pytest.raises(ValueError, match="0_of_1 is not complete"):
        merge_evaluations(output, shards)
    assert not (output / "episodes.jsonl").exists()


def test_parts_that_measured_delays_of_their_own_are_not_merged(tmp_path):
    shards = []
    for part, seconds in enumerate([(0.1,), (0.2,)]):
        shards.append(tmp_path / "shards" / f"{part}_of_2")
        log = make_log(make_record(0, part, True), execution="hold", delay="measured")
        log.add(LatencyProfile("measured", "made up", seconds))
        write_evaluation(shards[-1], log)
    with pytest.raises(ValueError, match="parts draw delays from different profiles"):
        merge_evaluations(tmp_path, shards)


def test_merging_names_what_is_missing(run_dir, monkeypatch):
    with pytest.raises(ValueError, match="it holds nothing"):
        find_shards(run_dir / "evaluation")
    (run_dir / "evaluation" / "shards" / "1_of_3").mkdir(parents=True)
    with pytest.raises(ValueError, match="lacks 0_of_3, 2_of_3"):
        find_shards(run_dir / "evaluation")
    (run_dir / "evaluation" / "shards" / "0_of_2").mkdir(parents=True)
    with pytest.raises(ValueError, match="parts of one division"):
        find_shards(run_dir / "evaluation")


@pytest.fixture
def loaded_from(tmp_path, monkeypatch):
    """Where checkpoints were loaded from; an empty folder is the current one, and no policy is compiled."""
    folders = []

    def load(folder, decoder, batch_size, settings):
        folders.append(folder)
        return StandingPolicy(decoder, batch_size)

    monkeypatch.setattr(CompiledPolicy, "load", load)
    return folders


def test_without_a_run_the_shipped_checkpoint_acts_and_results_stay_here(loaded_from, tmp_path, monkeypatch, capsys):
    shipped = sorted(PRETRAINED.rglob("*"))
    nameless = config("", "--config.episodes_per_task=1")
    monkeypatch.chdir(tmp_path)
    evaluate.main(nameless)
    assert loaded_from == [PRETRAINED]
    output = tmp_path / "runs" / "pretrained" / "evaluation"
    assert json.loads((output / "summary.json").read_text())["episodes"] == 1
    assert "runs/pretrained/evaluation/report.html" in capsys.readouterr().out
    identity = json.loads((output / "episodes.jsonl").read_text().splitlines()[0])["identity"]
    for stage, digest in checkpoint_digests(PRETRAINED, stages_of_decoder("speculative_greedy")).items():
        assert identity[f"checkpoint.{stage}"] == digest
    assert sorted(PRETRAINED.rglob("*")) == shipped


def test_shards_and_comparisons_without_a_run_lie_beside_its_results(loaded_from, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "get_benchmark", partial(counting_benchmark, None))
    one = ("--config.episodes_per_task=1", "--config.tasks=(0,)")
    other = config("", *one, "--config.output=other", "--config.decoder=autoregressive")
    shard = config("", *one, "--config.output=evaluation/shards/0_of_1")
    merging = config("", "--config.compare_with=('other',)")
    monkeypatch.chdir(tmp_path)
    evaluate.evaluate(other)
    evaluate.evaluate(shard)
    merge_command.main(merging)
    output = tmp_path / "runs" / "pretrained" / "evaluation"
    assert json.loads((output / "summary.json").read_text())["episodes"] == 1
    (comparison,) = json.loads((output / "comparisons.json").read_text())
    assert comparison["first"]["name"] == "other"
    assert "runs/pretrained/evaluation/report.html" in capsys.readouterr().out


def test_a_run_that_is_named_acts_and_keeps_its_results(run_dir):
    named = config(run_dir)
    assert checkpoint_folder(named.run_dir) == results_folder(named.run_dir) == run_dir


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.decoder=greedy", "choose one of l1_regression, two_step_regression, auto"),
        (
            "--config.simulator=habitat",
            "choose one of libero, libero_development, libero_layouts, libero_looks, point_mass",
        ),
        ("--config.tasks=1", "point_mass has the tasks 0 to 0"),
        ("--config.episodes_per_task=51", "between 1 and 50"),
        ("--config.shard=2/2", "shard='2/2'"),
        ("--config.execution=hold", "execution=hold needs a delay"),
        (
            "--config.perturbation=light",
            "perturbation='light' does not exist: choose one of camera, robot_start, noise",
        ),
        ("--config.perturbation=camera", "point_mass does not have: choose noise"),
        ("--config.delay=3", "delay='3' means nothing to execution=blocking"),
    ],
)
def test_impossible_values_have_clear_errors(run_dir, monkeypatch, override, message):
    assert message in command(monkeypatch, run_dir, override)
    assert not (run_dir / "evaluation").exists()


def test_unwritable_folder_is_an_error_that_names_it(run_dir, monkeypatch):
    (run_dir / "evaluation").write_text("a file is in the way")
    assert "evaluation" in command(monkeypatch, run_dir)


def test_unknown_key_is_refused(run_dir):
    with pytest.raises(ConfigError, match="episodes_per_task"):
        config(run_dir, "--config.episodes_per_tusk=3")


def test_variants():
    full, quick = config("runs/x", variant=""), config("runs/x", variant="quickstart")
    assert (full.tasks, full.episodes_per_task, full.seed) == ((), 50, 7)
    assert (quick.tasks, quick.episodes_per_task, quick.video.per_task) == ((2,), 10, 10)
    assert full.decoder == quick.decoder == "speculative_greedy"
    assert config("runs/x", "--config.tasks=0,3", variant="").tasks == (0, 3)
    for variant, run_dir in {"": "", "pretrained": "", "tiny": "runs/tiny", "quickstart": "runs/quickstart"}.items():
        assert parse_config(["--config", f"{CONFIG_FILE}:{variant}"]).run_dir == run_dir
    with pytest.raises(ConfigError, match="no variant 'quick'"):
        config("runs/x", variant="quick")


def test_a_comparison_that_is_not_there_is_an_error_before_any_episode(run_dir, monkeypatch):
    assert "compare_with names" in command(monkeypatch, run_dir, "--config.compare_with=('evaluation_other',)")
    assert not (run_dir / "evaluation").exists()


def identity_in(output):
    return json.loads((output / "episodes.jsonl").read_text().splitlines()[0])["identity"]


def test_a_policy_behind_a_server_is_evaluated_and_named(tmp_path, monkeypatch):
    with served() as (server, _):
        address = server.addresses["openpi"]
        nameless = config("", f"--config.policy={address}", "--config.conventions.actions_executed=2")
        monkeypatch.chdir(tmp_path)
        summary = evaluate.evaluate(nameless)
    assert (summary.episodes, summary.decoder, summary.errors) == (2, "telling", 0)
    (folder,) = (tmp_path / "runs/policies").iterdir()
    assert folder.name.startswith("ws_127_0_0_1")
    identity = identity_in(folder / "evaluation")
    assert identity["policy.address"] == address
    assert json.loads(identity["policy.metadata"])["decoder"] == "telling"
    assert json.loads(identity["policy.conventions"])["actions_executed"] == 2
    assert not any(name.startswith("checkpoint.") for name in identity)
    assert set(summary.latency_ms) == {"chunk"}
    assert "telling" in (folder / "evaluation" / "report.html").read_text()


def test_a_server_that_is_gone_ends_the_command_with_its_address(run_dir, monkeypatch):
    message = command(monkeypatch, run_dir, "--config.policy=openpi://127.0.0.1:1")
    assert "error: ws://127.0.0.1:1 cannot be reached" in message
    assert not (run_dir / "evaluation").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("--config.policy=http://host",), "write ws://HOST:PORT"),
        (("--config.policy=ws://host", "--config.policy_protocol=grpc"), "must be one of openpi, harness"),
        (("--config.policy=mine",), "is neither an address (ws://HOST:PORT) nor installed"),
        (("--config.policy=mine", "--config.decoder_settings=draft_layers=3"), "has its own: leave them out"),
    ],
)
def test_impossible_policies_have_clear_errors(run_dir, monkeypatch, overrides, message):
    assert message in command(monkeypatch, run_dir, *overrides)


def test_an_installed_policy_is_evaluated_and_named(run_dir, tmp_path, monkeypatch):
    information = tmp_path / "others-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text("[rsd_jax.policies]\nmine = others_policy:Mine\n")
    (tmp_path / "others_policy.py").write_text(
        "class Mine:\n    def act(self, observation, state):\n        return [[0] * 7] * 5, None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    summary = evaluate.evaluate(config(run_dir, "--config.policy=mine", "--config.episodes_per_task=1"))
    assert (summary.episodes, summary.decoder, summary.chunks) == (1, "mine", 12)
    assert identity_in(run_dir / "evaluation")["policy.package"] == "others 1.2"
