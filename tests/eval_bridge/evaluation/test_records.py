"""Each record's line, and back; lines are what earlier versions wrote, byte for byte."""

import dataclasses
import json

import pytest

from eval_bridge.episodes.execution.timing import EpisodeTiming
from eval_bridge.evaluation.delays import LatencyProfile
from eval_bridge.evaluation.records import SpeedRecord, from_line, to_line
from eval_bridge.simulators.perturbation.cases import Case
from tests.eval_bridge.evaluation.test_episode_log import CRASH, LATENCY, SESSION, episode

TIMED = episode(0)
TIMED = dataclasses.replace(TIMED, rollout=TIMED.rollout._replace(timing=EpisodeTiming((1, 2), (None, 1, 0), 1)))
EPISODE = (
    '{"kind": "episode", "suite": "libero_spatial", "task": "a_task", "task_index": 2, "episode": 0,'
    ' "seed": 7, "decoder": "speculative_greedy", "success": true, "steps": 100, "seconds": 1.5, '
    '"chunks": 2, "rounds": [3, 4], "chunk_seconds": [0.1, 0.2], "acceptance": {"accepted": [[4, 2],'
    ' [2, 0], [0, 0]], "proposed": [[4, 4], [4, 4], [0, 0]], "whole_layers": [1, 0, 0], '
    '"drafted_layers": [2, 2, 0], "first_run": [1, 1, 0]}, "actions": {"mean": [0.0, 0.0, 0.0, 0.0, '
    '0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], "saturated": 0.25, '
    '"gripper_switches": 2}, "trace": null, "video": null}'
)
LINES = [
    (
        LatencyProfile("slow", "made up", (0.04, 0.06)),
        '{"kind": "profile", "name": "slow", "source": "made up", "seconds": [0.04, 0.06]}',
    ),
    (
        SESSION,
        '{"kind": "session", "started": "2025-01-01T00:00:00+00:00", "device": "CPU", "commit": '
        '"abcdef", "versions": {"jax": "0.10.2"}}',
    ),
    (episode(0), EPISODE),
    (
        dataclasses.replace(episode(0), case=Case("camera", "17_15_100_0_0", 2)),
        EPISODE.replace(
            '"video": null', '"video": null, "case": {"kind": "camera", "values": "17_15_100_0_0", "level": 2}'
        ),
    ),
    (
        TIMED,
        EPISODE.replace(
            '"trace": null', '"timing": {"delays": [1, 2], "ages": [null, 1, 0], "underruns": 1}, "trace": null'
        ),
    ),
    (
        CRASH,
        '{"kind": "error", "suite": "libero_spatial", "task": "a_task", "task_index": 2, "episode": 5, '
        '"attempt": 1, "error": "RuntimeError(\'driver\')", "traceback": "Traceback ..."}',
    ),
    (
        LATENCY,
        '{"kind": "latency", "device": "CPU", "repeats": 100, "stages": {"chunk": {"p50": 1.0, "p90": '
        '2.0, "p99": 3.0}}}',
    ),
    (
        SpeedRecord("CPU", 2, 5, 500, 12.5),
        '{"kind": "speed", "device": "CPU", "workers": 2, "episodes": 5, "steps": 500, "seconds": 12.5}',
    ),
]


@pytest.mark.parametrize(("record", "line"), LINES)
def test_lines_stay_as_they_are_byte_for_byte(record, line):
    assert json.dumps(to_line(record)) == line
    assert from_line(json.loads(line)) == record


def test_fields_of_another_version_are_refused():
    line = to_line(episode(0))
    with pytest.raises(TypeError, match="colour"):
        from_line(line | {"colour": "red"})
    for missing in ("success", "chunks"):
        with pytest.raises(KeyError, match=missing):
            from_line({name: value for name, value in line.items() if name != missing})
    with pytest.raises(KeyError, match="unknown"):
        from_line({"kind": "unknown"})
