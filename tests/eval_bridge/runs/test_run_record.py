import json

import pytest

from eval_bridge.runs.run_record import RunIdentity, add_seconds, check_same_run, forget_seconds, read_seconds


def test_folder_of_another_run_is_refused(tmp_path):
    check_same_run(tmp_path, RunIdentity("quickstart", 0))
    check_same_run(tmp_path, RunIdentity("quickstart", 0))
    with pytest.raises(ValueError, match="made with seed=0, and seed=1 is asked"):
        check_same_run(tmp_path, RunIdentity("quickstart", 1))
    with pytest.raises(ValueError, match="made with demos='', and demos='runs/other' is asked"):
        check_same_run(tmp_path, RunIdentity("quickstart", 0, "runs/other"))
    check_same_run(tmp_path, RunIdentity("quickstart", 1), is_anew=True)
    with pytest.raises(ValueError, match="made with seed=1, and seed=0 is asked"):
        check_same_run(tmp_path, RunIdentity("quickstart", 0))


def test_a_record_from_before_demonstrations_could_be_shared_is_of_a_run_with_its_own(tmp_path):
    (tmp_path / "pipeline.json").write_text(json.dumps({"variant": "quickstart", "seed": 0}))
    check_same_run(tmp_path, RunIdentity("quickstart", 0))
    with pytest.raises(ValueError, match="made with start_from='', and start_from='runs/first' is asked"):
        check_same_run(tmp_path, RunIdentity("quickstart", 0, start_from="runs/first"))


def test_seconds_add_up_and_are_forgotten(tmp_path):
    check_same_run(tmp_path, RunIdentity("quickstart", 0))
    for stage, seconds in (("rfsq", 1.5), ("policy", 100.0), ("policy", 50.25)):
        add_seconds(tmp_path, stage, seconds)
    assert read_seconds(tmp_path) == {"rfsq": 1.5, "policy": 150.2}
    forget_seconds(tmp_path, ["policy", "draft"])
    assert read_seconds(tmp_path) == {"rfsq": 1.5}
    assert json.loads((tmp_path / "pipeline.json").read_text())["variant"] == "quickstart"
