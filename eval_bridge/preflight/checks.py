"""What preflight checks: every stage in miniature, through the same files and functions as a real run.

The checks share a run folder and nothing else: each reads what the ones before it saved.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from eval_bridge.collection.recording import FailedEpisode, RecordingSettings, record_episode
from eval_bridge.episodes.rollout import Rollout, run_episode
from eval_bridge.experts.style_record import StyleRecord
from eval_bridge.policies.compiled_policy import CompiledPolicy, load_models
from eval_bridge.policies.decoders import SpeculativeGreedy
from eval_bridge.policies.losslessness import check_against_autoregressive
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.preflight.check_table import CheckFailed, require
from eval_bridge.simulators.check_result import require_passed
from eval_bridge.simulators.interface import EpisodeStart, Simulator
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.self_check import check_simulator
from eval_bridge.simulators.point_mass import MAX_STEPS, PointMassSimulator, towards_ball
from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import load_stage
from rsd_jax.content_check import read_checked_json
from rsd_jax.demos.demo import Demo
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, merge, read_demos, write_episode
from rsd_jax.distributed.mesh import make_mesh
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.rfsq.strategies import Naive
from rsd_jax.run_folder import METRICS_NAME, demo_path
from rsd_jax.stored_models import load_tokenizer
from rsd_jax.training.objectives.action_autoencoding import ActionAutoencoding
from rsd_jax.training.run_settings import read_run_settings
from rsd_jax.training.stages import build_stage
from rsd_jax.training.train_loop import train

SUITE, TASK = "point_mass", "close_around_the_ball"
NUM_DEMOS = 10
EPISODE_STEPS = 24
LIBERO_TASK = ("libero_spatial", 2)
LIBERO_SEED = 0


class RecordablePointMass(PointMassSimulator):
    """The point mass as something to record; there is no scene to compile."""

    def model_xml(self) -> str:
        """Nothing."""
        return ""


def check_demonstrations(run_dir: Path) -> None:
    """Recorded episodes come back from their file bit by bit, and replaying one gives its states again."""
    simulator = RecordablePointMass()
    recorded = [_record(simulator, seed) for seed in range(NUM_DEMOS)]
    path = demo_path(run_dir, SUITE, TASK)
    path.parent.mkdir(parents=True)
    parts = [path.with_name(f"part_{demo.seed}.hdf5") for demo in recorded]
    for part, demo in zip(parts, recorded, strict=True):
        write_episode(part, demo, SceneDescription(), EpisodeDescription())
    merge(parts, path)

    stored = _read_demos(run_dir)
    require(len(stored) == NUM_DEMOS, f"{len(stored)} of {NUM_DEMOS} demonstrations came back from {path}")
    for demo, other in zip(recorded, stored, strict=True):
        for name in ("actions", "labels", "proprio", "agentview", "wrist", "states"):
            same = np.array_equal(getattr(demo, name), getattr(other, name))
            require(same, f"{name} of seed {demo.seed} changed on the way through the file")
    _require_replay(simulator, stored[0])


def check_training(run_dir: Path, stage_name: str, values: Mapping[str, Any]) -> None:
    """The stage trains with these `values`, and its best checkpoint holds the variables that training returned."""
    settings = read_run_settings(values)
    stage = build_stage(settings.stage, settings.model, run_dir)
    returned = train(stage, settings.training, run_dir / stage_name, make_mesh(settings.mesh))
    loaded = load_stage(run_dir, stage_name)
    same = _same_arrays(returned._asdict(), loaded.variables)
    require(same, f"the checkpoint of {stage_name} holds other arrays than training returned")
    metrics = read_checked_json(run_dir / stage_name / METRICS_NAME)
    require(stage.best_metric in metrics, f"metrics.json of {stage_name} lacks {stage.best_metric}")


def check_tokens(run_dir: Path) -> None:
    """Tokens alone decode, at every depth, and to what the loss saw while training, to the last bit."""
    tokenizer = load_tokenizer(run_dir)
    trained_hash = read_checked_json(run_dir / "rfsq" / METRICS_NAME)["tokenizer_hash"]
    require(tokenizer.token_hash == trained_hash, "the stored tokenizer is not the one that was trained")
    actions = np.stack([demo.labels[: tokenizer.chunk_length] for demo in _read_demos(run_dir)])
    tokens = np.asarray(jax.jit(RfsqTokenizer.tokenize)(tokenizer, actions))
    expected_tokens, expected_actions = (np.asarray(array) for array in jax.jit(_forward_pass)(tokenizer, actions))
    require(np.array_equal(tokens, expected_tokens), "tokenize gives other tokens than the loss's forward pass")
    levels = tokenizer.table.num_levels
    require(bool(np.isin(tokens, np.arange(levels)).all()), f"tokens lie outside of 0 .. {levels - 1}")
    detokenize = jax.jit(RfsqTokenizer.detokenize, static_argnums=2)
    for depth in range(1, tokenizer.table.num_layers):
        finite = bool(np.isfinite(detokenize(tokenizer, tokens, depth)).all())
        require(finite, f"the first {depth} layers decode to actions that are not finite")
    same = np.array_equal(detokenize(tokenizer, tokens, None), expected_actions)
    require(same, "tokens decode to other actions than the loss's forward pass saw")


def check_decoders(run_dir: Path) -> None:
    """Speculative decoding by the stored heads gives the tokens of autoregressive decoding, in no more rounds."""
    decoder = SpeculativeGreedy()
    models, tokenizer = load_models(run_dir, decoder), load_tokenizer(run_dir)
    num_layers = tokenizer.num_layers
    shape = (NUM_DEMOS, tokenizer.chunk_length, models.networks.policy.backbone.width)
    features = jax.random.normal(jax.random.key(0), shape)
    differences, found = check_against_autoregressive(decoder, models, features, NUM_DEMOS)
    wrong, digits = differences.different_digits, differences.digits
    require(wrong == 0, f"{wrong} of {digits} speculative tokens differ from the autoregressive ones")
    require(bool(np.all(found.rounds <= num_layers)), f"{found.rounds} speculative rounds, more than {num_layers}")


def check_episode(run_dir: Path) -> None:
    """The compiled policy acts for an episode of the point mass."""
    simulator = PointMassSimulator()
    _require_episode(_act(run_dir, simulator, simulator.draw_start(NUM_DEMOS)))


def check_libero_episode(run_dir: Path) -> None:
    """The compiled policy acts in LIBERO, rendered frames and all."""
    simulator = LiberoSimulator(*LIBERO_TASK)
    try:
        rollout = _act(run_dir, simulator, simulator.draw_start(LIBERO_SEED))
    finally:
        simulator.close()
    _require_episode(rollout)


def check_libero_itself(run_dir: Path) -> None:
    """The installed simulator is the one that policies are made for."""
    del run_dir
    simulator = LiberoSimulator(*LIBERO_TASK)
    # A random start: the states that published numbers are measured on are nobody's test data.
    try:
        require_passed(check_simulator(simulator, simulator.draw_start(LIBERO_SEED)))
    finally:
        simulator.close()


def _record(simulator: RecordablePointMass, seed: int) -> Demo:
    def controller(scene: RecordablePointMass, style: StyleRecord) -> Iterator[NDArray[np.float32]]:
        while True:
            yield towards_ball(scene)

    episode = record_episode(simulator, controller, RecordingSettings(MAX_STEPS), suite=SUITE, task=TASK, seed=seed)
    if isinstance(episode, FailedEpisode):
        raise CheckFailed(f"the controller failed from seed {seed}: {episode.reason}")
    return episode.demo


def _read_demos(run_dir: Path) -> list[Demo]:
    return read_demos(demo_path(run_dir, SUITE, TASK))


def _require_replay(simulator: PointMassSimulator, demo: Demo) -> None:
    states, start = demo.require_simulation()
    simulator.begin(EpisodeStart(start.state, {}))
    for step, (action, state) in enumerate(zip(demo.actions, states, strict=True)):
        require(
            np.array_equal(simulator.state(), state), f"replaying seed {demo.seed} leaves its states at step {step}"
        )
        simulator.step(action)


def _forward_pass(tokenizer: RfsqTokenizer, actions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Tokens and actions as the loss function computes them."""
    objective = ActionAutoencoding(tokenizer.autoencoder, Naive(), tokenizer.chunk_length)
    normalized = tokenizer.normalizer.normalize(actions)
    output = objective.reconstruct(tokenizer.params, tokenizer.table, normalized)
    return output.tokens, tokenizer.normalizer.denormalize(output.actions)


def _act(run_dir: Path, simulator: Simulator, start: EpisodeStart) -> Rollout:
    policy = CompiledPolicy.load(run_dir, decoder="speculative_greedy")
    rollout, _ = run_episode(simulator, PolicyEpisode(policy, episode_key(0, 0, 0)), start, EPISODE_STEPS)
    return rollout


def _require_episode(rollout: Rollout) -> None:
    ended_well = rollout.success or rollout.steps == EPISODE_STEPS
    require(ended_well, f"the episode ended after {rollout.steps} of {EPISODE_STEPS} steps, unsolved")
    require(min(rollout.rounds) >= 1, f"a chunk was decoded without the main head: rounds {rollout.rounds}")


def _same_arrays(given: PyTree, other: PyTree) -> bool:
    leaves, other_leaves = jax.tree.leaves(given), jax.tree.leaves(other)
    return len(leaves) == len(other_leaves) and all(map(np.array_equal, leaves, other_leaves))
