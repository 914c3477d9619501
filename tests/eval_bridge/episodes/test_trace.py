import json

import numpy as np
import pytest

from eval_bridge.episodes.trace import TraceError, load_trace, save_trace, trace_name
from tests.eval_bridge.analysis.trace_examples import drawer, pick_and_place


@pytest.mark.parametrize("trace", [pick_and_place(), drawer(np.zeros(61))], ids=["items", "joint"])
def test_round_trip(tmp_path, trace):
    path = save_trace(tmp_path / "traces" / trace_name(2, 3), trace)
    assert path.name == "task02_episode003.npz"
    loaded = load_trace(path)
    for name, value in trace._asdict().items():
        if isinstance(value, np.ndarray):
            assert getattr(loaded, name).dtype == value.dtype
            np.testing.assert_array_equal(getattr(loaded, name), value)
        else:
            assert getattr(loaded, name) == value
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_same_trace_gives_the_same_bytes(tmp_path):
    first, second = (save_trace(tmp_path / name, pick_and_place()) for name in ("a.npz", "b.npz"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("field", "change", "rule"),
    [
        ("actions", lambda value: value[:-1], r"eef_positions: is float32 \(61, 3\); expected float32 \(60, 3\)"),
        ("actions", lambda value: value.astype(np.float64), "actions: is float64"),
        ("finger_openings", lambda value: value * np.nan, "finger_openings: holds a value that is not finite"),
        ("item_names", lambda value: value[:1], "item_positions"),
        ("goal", lambda value: (), "goal_holds"),
        ("chunk_starts", lambda value: value + 1, "chunk_starts: is .*expected 0 first"),
        ("chunk_starts", lambda value: value * 2, "chunk_starts: is .*rising by 1 to 8 up to 60 steps"),
        ("chunk_starts", lambda value: value + (value == 8), r"chunk_starts: is \[0, 9, 16"),
    ],
)
def test_what_breaks_a_rule_is_not_written(tmp_path, field, change, rule):
    trace = pick_and_place()
    broken = trace._replace(**{field: change(getattr(trace, field))})
    with pytest.raises(TraceError, match=rf"episode\.npz: {rule}"):
        save_trace(tmp_path / "episode.npz", broken)
    assert list(tmp_path.iterdir()) == []


def test_damaged_files_name_themselves(tmp_path):
    path = save_trace(tmp_path / "episode.npz", pick_and_place())
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:200] + b"?" * 50 + whole[250:]):
        path.write_bytes(content)
        with pytest.raises(TraceError, match=r"episode\.npz: file: is truncated or no trace"):
            load_trace(path)


def test_missing_field_is_named(tmp_path):
    path = save_trace(tmp_path / "episode.npz", pick_and_place())
    with np.load(path) as file:
        fields = dict(file)
    del fields["finger_openings"]
    np.savez(path, **fields)
    with pytest.raises(TraceError, match="finger_openings: is missing"):
        load_trace(path)


def test_text_that_is_no_json_is_named(tmp_path):
    path = save_trace(tmp_path / "episode.npz", pick_and_place())
    with np.load(path) as file:
        fields = dict(file)
    assert json.loads(str(fields["goal"])) == [["on", "bowl_1", "plate_1"]]
    np.savez(path, **{**fields, "goal": np.array("((")})
    with pytest.raises(TraceError, match="goal: is no JSON"):
        load_trace(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_trace(tmp_path / "episode.npz")


@pytest.mark.parametrize("place", ["rsd_jax.atomic_files.os.fsync", "rsd_jax.atomic_files.Path.replace"])
def test_failed_write_keeps_the_earlier_trace(tmp_path, monkeypatch, place):
    path = save_trace(tmp_path / "episode.npz", pick_and_place())
    before = path.read_bytes()

    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_trace(path, drawer(np.zeros(61)))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def in_which_time_passed():
    """The same chunks, each there two steps after it was decided on."""
    sources = np.repeat(np.arange(8, dtype=np.int32), 8)[:58]
    return pick_and_place()._replace(sources=np.array([-1, -1, *sources], np.int32))


def test_sources_of_actions_come_back(tmp_path):
    trace = in_which_time_passed()
    np.testing.assert_array_equal(load_trace(save_trace(tmp_path / "episode.npz", trace)).sources, trace.sources)
    assert load_trace(save_trace(tmp_path / "plain.npz", pick_and_place())).sources is None


@pytest.mark.parametrize(
    ("field", "change", "rule"),
    [
        ("sources", lambda value: value[:-1], r"sources: is int32 \(59,\); expected int32 \(60,\)"),
        ("sources", lambda value: value + 1, "sources: is 1 at step 2; expected a chunk that was decided on by then"),
        ("sources", lambda value: value - 1, "sources: is -2 at step 0"),
        ("chunk_starts", lambda value: value * 2, "chunk_starts: is .*rising below 60 steps"),
    ],
)
def test_sources_that_cannot_be_are_not_written(tmp_path, field, change, rule):
    trace = in_which_time_passed()
    with pytest.raises(TraceError, match=rule):
        save_trace(tmp_path / "episode.npz", trace._replace(**{field: change(getattr(trace, field))}))
