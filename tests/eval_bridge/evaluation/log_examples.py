"""Logs of evaluations, made by hand."""

import hashlib

from eval_bridge.episodes.acceptance import EpisodeAcceptance
from eval_bridge.episodes.rollout import ActionSummary, Rollout
from eval_bridge.evaluation.episode_log import LogContents
from eval_bridge.evaluation.records import EpisodeRecord, LatencyRecord, SessionRecord
from eval_bridge.policies.latency import Latency

MANIFEST = "trained once"
"""Of the checkpoint that acted, so far as digests go."""

DIGEST = hashlib.sha256(MANIFEST.encode()).hexdigest()[:16]

IDENTITY = {
    "simulator": "libero",
    "suite": "libero_spatial",
    "step_limit": 220,
    "decoder": "speculative_greedy",
    "seed": 7,
    "checkpoint.rfsq": DIGEST,
}
STAGES = ("preprocess", "backbone", "decoder", "detokenize", "sum_of_stages", "chunk")
PASSES = ("draft_pass", "verify_pass", "step_pass")
HALF_ACCEPTED = EpisodeAcceptance(
    accepted=((4, 2), (2, 0), (0, 0)),
    proposed=((4, 4), (4, 4), (0, 0)),
    whole_layers=(1, 0, 0),
    drafted_layers=(2, 2, 0),
    first_run=(1, 1, 0),
)
"""Two chunks of which one was accepted whole in layer 0."""
NO_DRAFTS = EpisodeAcceptance(((0, 0),) * 3, ((0, 0),) * 3, (0,) * 3, (0,) * 3, (0,) * 3)
NO_TOKENS = EpisodeAcceptance((), (), (), (), ())


def make_record(task_index, episode, success, steps=100, **changes):
    """Three layers, the first accepts 6 of 8 drafted tokens, the second 2 of 8; two chunks of 3 and 5 rounds."""
    rollout = {
        "success": success,
        "steps": steps if success else 220,
        "seconds": 2.0,
        "rounds": (3, 5),
        "chunk_seconds": (0.5, 0.01),
        "acceptance": HALF_ACCEPTED,
        "actions": ActionSummary((0.0,) * 7, (1.0,) * 7, 0.0, 1),
        "looked": (),
        "timing": None,
    }
    rollout |= {name: changes.pop(name) for name in rollout if name in changes}
    fields = {
        "suite": "libero_spatial",
        "task": ("first_task", "second_task")[task_index],
        "task_index": task_index,
        "episode": episode,
        "seed": 7,
        "decoder": "speculative_greedy",
        "rollout": Rollout(**rollout),
    }
    return EpisodeRecord(**{**fields, **changes})


def make_log(*records, chunk_ms=8.0, **identity):
    log = LogContents(identity={**IDENTITY, **identity})
    log.add(SessionRecord("2025-01-01T00:00:00+00:00", "one GPU", "abc", {"jax": "0.10.2"}))
    stages = {name: Latency(1.0, 2.0, 3.0) for name in (*STAGES, *PASSES)} | {"chunk": Latency(chunk_ms, 9.0, 9.5)}
    log.add(LatencyRecord("one GPU", 100, stages))
    for record in records:
        log.add(record)
    return log


def log_of(outcomes, **changes):
    """A log of ``{task: "successes and failures as + and -"}``; a blank is an episode without a result."""
    records = [
        make_record(task, episode, mark == "+")
        for task, marks in outcomes.items()
        for episode, mark in enumerate(marks)
        if mark != " "
    ]
    return make_log(*records, **changes)
