"""Counts over chunks, by digit and by whole layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.episodes.acceptance import EpisodeAcceptance, count_acceptance, total_acceptance
from eval_bridge.policies.interface import PolicyOutput
from rsd_jax.decoding import CodeShape, column_local, speculative_greedy


def chunk(accepted, proposed, first_run):
    counts = (np.array(values, np.int32) for values in (accepted, proposed, first_run))
    return PolicyOutput(np.zeros((8, 7), np.float32), 3, *counts)


def test_whole_layers_by_hand():
    #                      layer 0          layer 1: one of two rejected   layer 2: drafted by one dimension, accepted
    first = chunk([[2, 2], [2, 1], [0, 1]], [[2, 2], [2, 2], [0, 1]], [0, 1, 0])
    #                      layer 0 drafted twice by a column, once in vain; layer 1 accepted; layer 2 never drafted
    second = chunk([[2, 2], [1, 2], [0, 0]], [[2, 3], [1, 2], [0, 0]], [1, 0, 0])
    counts = count_acceptance([first, second])
    assert counts == EpisodeAcceptance(
        accepted=((4, 4), (3, 3), (0, 1)),
        proposed=((4, 5), (3, 4), (0, 1)),
        whole_layers=(1, 1, 1),
        drafted_layers=(2, 2, 1),
        first_run=(1, 1, 0),
    )
    assert counts.token_rate() == 15 / 17
    assert counts.layer_rates() == (8 / 9, 6 / 7, 1.0)
    assert counts.column_rates() == (1.0, 8 / 10)
    assert counts.digit_rates() == ((1.0, 0.8), (1.0, 0.75), (None, 1.0))
    assert counts.whole_layer_rates() == (0.5, 0.5, 1.0)


def test_rejections_of_different_chunks_do_not_hide_each_other():
    """Every chunk rejects a token of another dimension: summed counts could be read as half whole, but none is."""
    chunks = [chunk([[1, 0]], [[1, 1]], [1, 0]), chunk([[0, 1]], [[1, 1]], [1, 0])]
    assert count_acceptance(chunks).whole_layers == (0,)


def test_episodes_are_added():
    one = EpisodeAcceptance(((1, 2),), ((3, 4),), (1,), (2,), (2, 0))
    assert total_acceptance([one, one]) == EpisodeAcceptance(((2, 4),), ((6, 8),), (2,), (4,), (4, 0))
    assert total_acceptance([]) == EpisodeAcceptance((), (), (), (), ())
    with pytest.raises(ValueError, match="shorter"):
        total_acceptance([one, one._replace(first_run=(2,))])


def test_nothing_drafted_has_no_rates():
    autoregressive = count_acceptance([chunk(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(4))] * 2)
    assert autoregressive.token_rate() is None
    assert autoregressive.drafted_layers == (0, 0)
    assert autoregressive.whole_layer_rates() == (None, None)
    assert autoregressive.digit_rates() == ((None, None, None),) * 2
    without_tokens = count_acceptance([chunk(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0))] * 2)
    assert without_tokens == EpisodeAcceptance((), (), (), (), ())
    assert without_tokens.column_rates() == ()


def test_layers_of_the_first_draft_are_whole_exactly_where_the_first_run_covers_them():
    """Real decodings of 60 chunks of 6 columns; all tokens are 0, and the draft proposes 1 where it is wrong."""
    draft_layers, is_wrong = 3, np.random.default_rng(0).random((60, 2, 3, 6)) < 0.08
    shape = CodeShape(2, 3, 6, draft_layers, jnp.ones((6, 3), bool))

    def draft(features, tokens, position):
        return jax.nn.one_hot(features, 2)

    @column_local
    def main(features, tokens, position, *, num_layers):
        return jax.nn.one_hot(jnp.zeros((*tokens.shape[:-1], num_layers), jnp.int32), 2)

    features = jnp.asarray(is_wrong, jnp.int32)
    counts = jax.jit(lambda: speculative_greedy(features, draft, main, shape, 60).acceptance)()
    whole = np.array([count_acceptance([chunk(*row)]).whole_layers for row in zip(*counts, strict=True)])
    run = np.asarray(counts.first_run).argmax(axis=1)
    assert set(run) == {0, 1, 2, 3}
    for layer in range(draft_layers):
        np.testing.assert_array_equal(whole[:, : layer + 1].all(axis=1), run > layer)
    np.testing.assert_array_equal(whole[:, 0], ~is_wrong[..., 0].any(axis=(1, 2)))
