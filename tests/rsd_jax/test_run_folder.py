from pathlib import Path

from rsd_jax.run_folder import (
    calibration_path,
    calibration_paths,
    collection_summaries,
    demo_path,
    demo_paths,
    evaluation_folder,
    suite_demo_paths,
    summary_path,
    task_of,
)


def test_demonstrations_and_their_summaries_are_found_where_they_are_written(tmp_path):
    assert demo_paths(tmp_path) == collection_summaries(tmp_path) == []
    paths = [demo_path(tmp_path, suite, task) for suite, task in (("a", "x"), ("a", "y"), ("b", "x"))]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.with_name(f"{path.name}.partial").touch()  # one that is being written
    summary_path(paths[0]).touch()
    (tmp_path / "demos" / "a" / "collection.json").touch()
    assert paths[0] == tmp_path / "demos" / "a" / "x_demo.hdf5"
    assert demo_paths(tmp_path) == paths
    assert suite_demo_paths(tmp_path / "demos" / "a") == paths[:2]
    assert collection_summaries(tmp_path) == [tmp_path / "demos" / "a" / "x_demo.json"]
    assert task_of(Path("demos/a/put_x_demo.hdf5")) == "put_x"


def test_the_first_decoders_evaluation_is_the_headline():
    decoders = ("speculative", "autoregressive")
    assert [evaluation_folder(decoder, decoders) for decoder in decoders] == [
        "evaluation",
        "evaluation_autoregressive",
    ]


def test_calibrations_of_other_rules_and_risks_lie_beside_each_other(tmp_path):
    assert calibration_paths(tmp_path) == []
    paths = [calibration_path(tmp_path, rule, 0.05, 0.1) for rule in ("both", "confidence")]
    paths.append(calibration_path(tmp_path, "confidence", 0.025, 0.05))
    paths[0].parent.mkdir()
    for path in paths:
        path.touch()
    assert paths[0] == tmp_path / "calibrations" / "both_alpha0.05_epsilon0.1.json"
    assert calibration_paths(tmp_path) == [paths[0], paths[2], paths[1]]
