import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsd_jax.decoding.acceptance import accepted_run, count_acceptance

run_of, counted = jax.jit(accepted_run), jax.jit(count_acceptance, static_argnums=2)


def leading_trues(row: list[bool]) -> int:
    count = 0
    for agrees in row:
        if not agrees:
            return count
        count += 1
    return count


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.just(6), st.sampled_from([1, 3, 8]))))
def test_accepted_run_counts_the_leading_agreements(agrees: np.ndarray) -> None:
    expected = [leading_trues(row) for row in agrees.tolist()]
    assert run_of(jnp.asarray(agrees)).tolist() == expected


def test_accepted_run_ignores_agreement_behind_the_first_mismatch() -> None:
    agrees = jnp.array([[True, False, True], [True, True, True], [False, True, True]])
    assert run_of(agrees).tolist() == [1, 3, 0]


def test_counts_of_one_round_by_hand() -> None:
    # Two chunk steps, two latent dimensions, L = 5, K = 3; layer 1 of dimension 0 can take only one level.
    #   step 0: dimension 0 at layer 0 drafts 0 1 2, two accepted (1 does not count); dimension 1 is finished.
    #   step 1: dimension 0 at layer 3 drafts 3 4 (5 does not exist), one accepted; dimension 1 at 2 drafts 2 3 4, all.
    position, run = jnp.array([[[0, 5], [3, 2]]]), jnp.array([[[2, 0], [1, 3]]])
    informative = jnp.ones((5, 2), bool).at[1, 0].set(False)
    counts = counted(position, run, 3, informative)
    assert counts.proposed.tolist() == [[[1, 0], [0, 0], [1, 1], [1, 1], [1, 1]]]
    assert counts.accepted.tolist() == [[[1, 0], [0, 0], [0, 1], [1, 1], [0, 1]]]
    assert counts.first_run.tolist() == [[0, 0, 0, 0]]


def test_counts_are_summed_over_the_steps_of_a_chunk_only() -> None:
    # Three steps and two dimensions at layer 0 draft layers 0 1; dimension 0 accepts 2 1 0 layers, dimension 1 all.
    run = jnp.array([[[2, 2], [1, 2], [0, 2]]])
    counts = counted(jnp.zeros_like(run), run, 2, jnp.ones((3, 2), bool))
    assert counts.proposed.tolist() == [[[3, 3], [3, 3], [0, 0]]]
    assert counts.accepted.tolist() == [[[2, 3], [1, 3], [0, 0]]]


def test_first_run_is_that_of_the_columns_that_all_start_at_layer_0() -> None:
    # Rows: all columns accept at least 1; all accept all 3; one accepts none; not all are at layer 0 any more.
    run = jnp.array([[[1, 3]], [[3, 3]], [[2, 0]], [[3, 3]]])
    position = jnp.array([[[0, 0]], [[0, 0]], [[0, 0]], [[0, 2]]])
    counts = counted(position, run, 3, jnp.ones((8, 2), bool))
    assert counts.first_run.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_a_finished_column_proposes_nothing() -> None:
    counts = counted(jnp.full((2, 1, 1), 4), jnp.full((2, 1, 1), 3), 3, jnp.ones((4, 1), bool))
    assert counts.proposed.tolist() == [[[0]] * 4] * 2
    assert counts.accepted.tolist() == [[[0]] * 4] * 2


def test_run_behind_the_last_layer_is_not_counted() -> None:
    counts = counted(jnp.full((1, 1, 1), 3), jnp.full((1, 1, 1), 3), 3, jnp.ones((4, 1), bool))
    assert counts.accepted.tolist() == [[[0], [0], [0], [1]]]


def test_layers_that_are_not_decoded_propose_nothing() -> None:
    depth = jnp.full((1, 1, 1), 2)
    counts = counted(jnp.ones_like(depth), jnp.ones_like(depth), 3, jnp.ones((4, 1), bool), depth)
    assert counts.proposed.tolist() == [[[0], [1], [0], [0]]]
    nothing = counted(0 * depth, 0 * depth, 3, jnp.ones((4, 1), bool), 0 * depth)
    assert not np.asarray(nothing.first_run).any()  # a round of a row that has no layer to decode is none
