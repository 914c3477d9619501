import dataclasses
import json

import pytest

from eval_bridge.episodes.rollout import ActionSummary, Rollout
from eval_bridge.evaluation.episode_log import EpisodeLog, EpisodeLogError, LogContents, read_episode_log
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.records import EpisodeRecord, ErrorRecord, LatencyRecord, SessionRecord, SpeedRecord
from eval_bridge.policies.latency import Latency
from tests.eval_bridge.evaluation.log_examples import HALF_ACCEPTED, NO_TOKENS
from tests.eval_bridge.evaluation.log_examples import IDENTITY as EVALUATED

IDENTITY = EVALUATED | {"checkpoint.rfsq": "abc"}


def episode(number, success=True):
    return EpisodeRecord(
        suite="libero_spatial",
        task="a_task",
        task_index=2,
        episode=number,
        seed=7,
        decoder="speculative_greedy",
        rollout=Rollout(
            success=success,
            steps=100,
            seconds=1.5,
            rounds=(3, 4),
            chunk_seconds=(0.1, 0.2),
            acceptance=HALF_ACCEPTED,
            actions=ActionSummary((0.0,) * 7, (1.0,) * 7, 0.25, 2),
        ),
    )


CRASH = ErrorRecord("libero_spatial", "a_task", 2, 5, 1, "RuntimeError('driver')", "Traceback ...")
SESSION = SessionRecord("2025-01-01T00:00:00+00:00", "CPU", "abcdef", {"jax": "0.10.2"})
SPEED = SpeedRecord("CPU", 2, 2, 200, 3.0)
LATENCY = LatencyRecord("CPU", 100, {"chunk": Latency(1.0, 2.0, 3.0)})


def test_everything_comes_back_as_it_was(tmp_path):
    path = tmp_path / "evaluation" / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        for record in (SESSION, episode(0), CRASH, episode(1, success=False), LATENCY):
            log.append(record)
    with EpisodeLog(path, IDENTITY) as again:
        assert again.contents == log.contents
    contents = read_episode_log(path)
    assert contents == log.contents
    assert contents.episodes == {EpisodeId(2, 0): episode(0), EpisodeId(2, 1): episode(1, success=False)}
    assert contents.latency == LATENCY
    assert contents.sessions == [SESSION]


def test_counts_of_a_policy_without_tokens_come_back_too(tmp_path):
    without = dataclasses.replace(episode(0), rollout=episode(0).rollout._replace(acceptance=NO_TOKENS))
    with EpisodeLog(tmp_path / "episodes.jsonl", IDENTITY) as log:
        log.append(without)
    assert read_episode_log(tmp_path / "episodes.jsonl").episodes == {EpisodeId(2, 0): without}


def test_every_line_is_one_json_object_and_on_disk_before_the_log_is_closed(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        log.append(episode(0))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["evaluation", "episode"]
    assert lines[1]["success"] is True
    assert lines[1]["actions"]["gripper_switches"] == 2
    assert lines[1]["acceptance"]["accepted"] == [[4, 2], [2, 0], [0, 0]]
    assert lines[1]["acceptance"]["first_run"] == [1, 1, 0]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_torn_last_line_is_dropped_with_a_warning(tmp_path, caplog, cut):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        log.append(episode(0))
        log.append(episode(1))
    path.write_bytes(path.read_bytes()[:-cut])
    with EpisodeLog(path, IDENTITY) as log:
        assert list(log.contents.episodes) == [EpisodeId(2, 0)]
        log.append(episode(1))
    assert "torn line" in caplog.text
    assert list(read_episode_log(path).episodes) == [EpisodeId(2, 0), EpisodeId(2, 1)]


def test_log_torn_in_its_first_line_starts_anew(tmp_path):
    path = tmp_path / "episodes.jsonl"
    path.write_text('{"kind": "evalu')
    with EpisodeLog(path, IDENTITY) as log:
        log.append(episode(0))
    assert read_episode_log(path).identity == IDENTITY


def test_damage_before_the_last_line_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        log.append(episode(0))
        log.append(episode(1))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], lines[2]]) + "\n")
    with pytest.raises(EpisodeLogError, match="line 2 is no JSON"):
        read_episode_log(path)


def without_checks(path):
    """The log as an earlier version has written it."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "check"}) + "\n" for line in lines))


@pytest.fixture
def full_log(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        for record in (SESSION, episode(0), CRASH, episode(1, success=False), LATENCY, SPEED):
            log.append(record)
    return path


def test_a_log_of_an_earlier_version_has_no_checks_and_is_read(full_log):
    whole = read_episode_log(full_log)
    without_checks(full_log)
    assert read_episode_log(full_log) == whole
    with EpisodeLog(full_log, IDENTITY) as log:
        log.append(episode(2))
    assert list(read_episode_log(full_log).episodes) == [EpisodeId(2, 0), EpisodeId(2, 1), EpisodeId(2, 2)]


def test_another_result_than_was_written_is_noticed_in_every_line(full_log):
    text = full_log.read_text()
    for written, altered, line in (
        ('"success": false', '"success": true', 5),
        ('"steps": 100', '"steps": 101', 3),
        ('"suite": "libero_spatial"', '"suite": "libero_object"', 1),
        ("2025-01-01", "2025-01-02", 2),
        ("driver", "drivel", 4),
        ('"p90": 2.0', '"p90": 2.5', 6),
        ('"workers": 2', '"workers": 3', 7),
    ):
        full_log.write_text(text.replace(written, altered, 1))
        with pytest.raises(EpisodeLogError, match=rf"episodes\.jsonl, line {line} is damaged: its check is"):
            read_episode_log(full_log)
        with pytest.raises(EpisodeLogError, match=f"line {line} is damaged.*Put back an intact copy, or"):
            EpisodeLog(full_log, IDENTITY)


def test_a_line_that_has_lost_its_check_is_noticed(full_log):
    text = full_log.read_text()
    first = text.index('"seconds": 3.0, "check": "') + len('"seconds": ')
    full_log.write_text(text[:first] + text[first + len('3.0, "check": ') :])
    with pytest.raises(EpisodeLogError, match="line 7 is damaged: it has lost its check"):
        read_episode_log(full_log)


def test_no_byte_changes_without_being_noticed(full_log, caplog):
    whole = full_log.read_bytes()
    for place in range(0, len(whole), 5):
        full_log.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(EpisodeLogError, match=r"episodes\.jsonl, line \d "):
            read_episode_log(full_log)
    full_log.write_bytes(whole[:-1] + b" ")  # as if its end had not been written
    assert len(read_episode_log(full_log).episodes) == 2
    assert "ends in a torn line, which is left out" in caplog.text


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda line: line.update(identity=7), "line 1 .*an identity is an object and stands alone"),
        (lambda line: line.update(identitx=line.pop("identity")), "line 1 .*KeyError.*'identity'"),
        (
            lambda line: line["identity"].update(suitf=line["identity"].pop("suite")),
            "line 1 .*the identity lacks suite",
        ),
        (lambda line: line.update(kind="evaluatiom"), "line 1 .*it stands where the evaluation's identity must"),
        (lambda line: line.update(kind=["evaluation"]), "line 1 .*it stands where"),
    ],
)
def test_a_damaged_identity_of_an_earlier_version_names_file_and_line(full_log, damage, named):
    without_checks(full_log)
    first, *others = full_log.read_text().splitlines()
    line = json.loads(first)
    damage(line)
    full_log.write_text("\n".join([json.dumps(line), *others]) + "\n")
    with pytest.raises(EpisodeLogError, match=r"episodes\.jsonl, " + named):
        read_episode_log(full_log)


@pytest.mark.parametrize("line", [b"7", b"[]", b"null", b"{}", b'{"kind": ["a"]}', b'{"kind": "speed"}', b"\xff"])
def test_what_is_no_record_names_its_line(full_log, line):
    full_log.write_bytes(full_log.read_bytes() + line + b"\n")
    with pytest.raises(EpisodeLogError, match="line 8 is n"):
        read_episode_log(full_log)


def test_line_of_another_version_is_an_error(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY):
        pass
    with path.open("a") as file:
        file.write('{"kind": "episode", "colour": "red"}\n')
    with pytest.raises(EpisodeLogError, match="line 2 is not a record of this version"):
        read_episode_log(path)


def test_another_checkpoint_is_refused_with_its_name_and_the_fix(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        log.append(episode(0))
    before = path.read_bytes()
    with pytest.raises(EpisodeLogError, match=r"checkpoint\.rfsq: 'abc' there, 'xyz' now.*--config\.output=NAME"):
        EpisodeLog(path, IDENTITY | {"checkpoint.rfsq": "xyz"})
    assert path.read_bytes() == before


def test_a_log_without_episodes_binds_nobody(tmp_path):
    """A start that failed, by a package that is then replaced, must not keep the repaired one out."""
    path, repaired = tmp_path / "episodes.jsonl", IDENTITY | {"version.mujoco": "3.2"}
    with EpisodeLog(path, IDENTITY | {"version.mujoco": "2.0"}) as log:
        log.append(dataclasses.replace(SESSION, commit="before"))
        log.append(CRASH)
    before = path.read_bytes()
    with EpisodeLog(path, repaired) as log:
        assert log.contents == LogContents(repaired)
    assert path.read_bytes().startswith(before)  # only appended to
    with EpisodeLog(path, repaired) as log:  # stopped before its first episode, and started again
        log.append(SESSION)
        log.append(episode(0))
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["evaluation", "session", "error", "evaluation", "session", "episode"]
    contents = read_episode_log(path)
    assert contents == LogContents(repaired, {EpisodeId(2, 0): episode(0)}, sessions=[SESSION])
    with pytest.raises(EpisodeLogError, match=r"version\.mujoco: '3\.2' there, '2\.0' now"):
        EpisodeLog(path, IDENTITY | {"version.mujoco": "2.0"})


@pytest.mark.parametrize("cut", [1, 30])
def test_a_beginning_anew_that_was_torn_leaves_the_log_as_it_was(tmp_path, cut):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        log.append(SESSION)
    before = path.read_bytes()
    with EpisodeLog(path, IDENTITY | {"seed": 8}):
        pass
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_episode_log(path) == LogContents(IDENTITY, sessions=[SESSION])
    with EpisodeLog(path, IDENTITY) as log:
        assert log.contents.sessions == [SESSION]
    assert path.read_bytes() == before


def test_an_identity_behind_episodes_of_another_is_damage(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        log.append(episode(0))
    with path.open("a") as file:
        file.write(json.dumps({"kind": "evaluation", "identity": IDENTITY | {"seed": 8}}) + "\n")
    with pytest.raises(EpisodeLogError, match=r"line 3 .*the identity of another evaluation, behind episodes"):
        read_episode_log(path)


def test_two_evaluations_cannot_write_one_log(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY), pytest.raises(EpisodeLogError, match="in use"):
        EpisodeLog(path, IDENTITY)
    with EpisodeLog(path, IDENTITY):
        pass


def test_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path, IDENTITY) as log:
        log.append(episode(0))
        before = path.read_bytes()

        def full_disk(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("eval_bridge.evaluation.episode_log.os.fsync", full_disk)
        with pytest.raises(OSError, match="No space left"):
            log.append(episode(1))
        assert path.read_bytes() == before
        assert EpisodeId(2, 1) not in log.contents.episodes


def test_crash_is_resolved_by_a_later_result(tmp_path):
    with EpisodeLog(tmp_path / "episodes.jsonl", IDENTITY) as log:
        log.append(CRASH)
        assert log.contents.unresolved() == {EpisodeId(2, 5): CRASH}
        log.append(episode(5, success=False))
        assert log.contents.unresolved() == {}
        assert log.contents.errors == [CRASH]


def test_missing_log_names_the_command(tmp_path):
    with pytest.raises(EpisodeLogError, match=r"launch\.evaluate"):
        read_episode_log(tmp_path / "episodes.jsonl")
