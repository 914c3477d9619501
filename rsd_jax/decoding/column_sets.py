"""Columns that have to wait for each other, because the main head shows some of them what others hold."""

from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Position, typecheck
from rsd_jax.decoding.caching import CachingMainFn
from rsd_jax.decoding.interface import CodeShape, MainFn, is_column_local

MainFnT = TypeVar("MainFnT", bound=MainFn | CachingMainFn)


def columns_in_sets(main: MainFnT, sets: NDArray[np.integer]) -> MainFnT:
    """Declares that the logits of a column depend on no digit and no position of a column of another set.

    Sets the attribute ``column_sets``, which classes of callables can also have.

    Args:
        main: scores layers.
        sets: the number of each column's set, ``[C, D]``.

    Returns:
        `main`.
    """
    main.column_sets = sets  # type: ignore[union-attr]
    return main


def sets_of_columns(main: MainFn | CachingMainFn, shape: CodeShape) -> NDArray[np.integer] | None:
    """The set of each column, ``[C, D]``, as `main` declares it; None where each column is one of its own.

    Raises:
        ValueError: `main` declares neither `column_local` nor sets, or sets of another code.
    """
    if is_column_local(main):
        return None
    sets: NDArray[np.integer] | None = getattr(main, "column_sets", None)
    if sets is None:
        raise ValueError(
            "main does not declare that it is column_local, and speculative decoding finds the tokens that it would "
            "find layer by layer only for one that is: whose logits of a column depend on no digit and no position of "
            "another. Declare it (rsd_jax.decoding.column_local) where that holds, which sees_other_columns checks; "
            "or declare which columns see each other (columns_in_sets); else decode by autoregressive or fixed_point"
        )
    columns = (shape.chunk_length, shape.latent_dim)
    if sets.shape != columns:
        raise ValueError(f"main.column_sets has shape {sets.shape}; it must be [C, D] = {list(columns)}")
    return sets


@typecheck
def least_of_set(values: Position, sets: Int[np.ndarray, "C D"]) -> Int[Array, "B C D"]:
    """The smallest of the values of each column's set.

    Args:
        values: one a column.
        sets: the number of each column's set.
    """
    number = sets.reshape(-1)
    is_same = jnp.asarray(number[:, None] == number)
    of_columns = values.reshape(len(values), 1, -1)
    least = jnp.min(of_columns, axis=-1, keepdims=True, initial=jnp.iinfo(values.dtype).max, where=is_same)
    return least.reshape(values.shape)
