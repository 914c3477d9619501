import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.decoding_benchmark.decoding_facts import equal_chunks, facts_of_looks, facts_of_tokens
from eval_bridge.policies.interface import PolicyOutput
from rsd_jax.decoding import AcceptanceCounts, DecodeResult, DecodeTrace


def call(rounds, accepted, proposed, drafts, kept, skipped=0):
    """Two layers of one latent; the same counts in both rows."""

    def counts(values):
        return jnp.tile(jnp.array(values)[None, :, None], (2, 1, 1))

    return DecodeResult(
        tokens=jnp.zeros((2, 1, 1, 2), jnp.int32),
        rounds=jnp.array(rounds),
        acceptance=AcceptanceCounts(counts(accepted), counts(proposed), jnp.zeros((2, 2), jnp.int32)),
        depth=jnp.full((2, 1, 1), 2),
        trace=DecodeTrace(jnp.full(2, drafts), jnp.full(2, kept), counts([0, skipped])),
    )


def test_a_call_takes_as_many_rounds_as_its_slowest_row():
    facts = facts_of_tokens([call([1, 3], [3, 1], [4, 4], 4, 6), call([2, 2], [1, 1], [4, 0], 4, 2)], 2)
    assert facts.rounds == (3 + 2) / 2
    assert facts.token_acceptance == pytest.approx((3 + 1 + 1 + 1) / (4 + 4 + 4))
    assert facts.layer_acceptance == pytest.approx((4 / 8, 2 / 4))
    assert facts.acceptance_length == pytest.approx(1 + (6 + 2) / (4 + 4))
    assert facts.digits_skipped == 0


def test_what_was_not_drafted_has_no_acceptance():
    facts = facts_of_tokens([call([8, 8], [0, 0], [0, 0], 0, 0, skipped=1)], 2)
    assert (facts.token_acceptance, facts.layer_acceptance, facts.acceptance_length) == (None, None, None)
    assert facts.digits_skipped == 0.5


def output(looked, rounds):
    nothing = np.zeros((1, 1), int)
    return PolicyOutput(np.zeros((8, 7), np.float32), rounds, nothing, nothing, nothing[0], looked)


def test_a_batch_in_which_one_row_looks_runs_the_main_backbone():
    looks = facts_of_looks(
        [[output(True, 3), output(False, 0)], [output(False, 0)] * 2, [output(True, 1), output(True, 2)]]
    )
    assert looks.facts.looked == pytest.approx(3 / 6)
    assert looks.facts.looked_calls == pytest.approx(2 / 3)
    assert looks.facts.rounds == pytest.approx((3 + 0 + 2) / 3)
    assert looks.rounds_of_look == pytest.approx((3 + 2) / 2)


def test_one_other_digit_makes_a_chunk_another():
    tokens = np.zeros((4, 1, 2, 3), np.int32)
    other = tokens.copy()
    other[2, 0, 1, 2] = 1
    assert equal_chunks([tokens], [tokens]) == 1
    assert equal_chunks([other], [tokens]) == 3 / 4
