"""A policy's compiled call: requests of some rows in, by one copy each; chunks of those rows out, likewise."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding
from jax.stages import Lowered
from jaxtyping import Array, Int, Key, UInt32

from eval_bridge.policies.byte_layout import ByteLayout
from eval_bridge.policies.compiler_options import compiler_options
from eval_bridge.policies.decoder_interface import DecodedChunks, Decoder
from eval_bridge.policies.decoder_models import Models, Networks
from eval_bridge.policies.embedded_arrays import EmbeddedArrays
from eval_bridge.policies.host_batch import HostBatch, RowInputs
from eval_bridge.policies.host_memory import Argument, copy_of, on_device, on_host, uses_pinned_memory
from eval_bridge.policies.interface import PolicyRequest
from rsd_jax.array_types import PyTree, typecheck
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.distributed.ahead_of_time import on_devices


@typecheck
def row_keys(episodes: UInt32[Array, "B 2"], calls: Int[Array, "B"]) -> Key[Array, "B"]:
    """The random key of each row: its episode's, folded with the number of the call within the episode."""
    keys = jax.random.wrap_key_data(episodes, impl="threefry2x32")
    return jax.vmap(jax.random.fold_in)(keys, calls)


class CompiledCall:
    """Backbone, heads and decoder on batches of one size, from raw frames to actions; compiled when first called.

    The requests of all rows are one argument, and all answers one result. Nothing is written to rows that nobody asked
    for; they cross to the device with the others. As arguments of their own, rows took 0.29 ms each on an H200.
    """

    def __init__(
        self,
        decoder: Decoder,
        networks: Networks,
        arrays: EmbeddedArrays,
        start: PyTree,
        size: int,
        keep_unused: bool = False,
        pinned: bool | None = None,
    ) -> None:
        """Compiles nothing yet.

        Args:
            decoder: decides.
            networks: what it uses.
            arrays: their `ModelArrays`.
            start: the decoder's initial state.
            size: rows of a call.
            keep_unused: whether arrays that the decoder does not read are arguments nevertheless.
            pinned: whether requests lie in pinned memory; None for wherever that is faster.
        """
        pinned = uses_pinned_memory() if pinned is None else pinned
        self._arrays = arrays
        backbones = networks.policy.backbone, networks.draft_apart
        self._batch = HostBatch(size, backbones[0], start, pinned, backbones[1])
        layout = self._batch.layout

        def seen_by(rows: Argument) -> RowInputs:
            # The program reads and writes the host's memory itself.
            seen: RowInputs = layout.unpack(on_device(rows) if pinned else jnp.asarray(rows))
            return seen

        @functools.partial(jax.jit, inline=True)
        def decide(arguments: tuple[jax.Array, ...], rows: Argument) -> tuple[DecodedChunks, PyTree]:
            seen = seen_by(rows)
            models, keys = Models(networks, arrays.unpack(arguments)), row_keys(seen.episode, seen.call)
            return decoder.decode(models, seen.policy_inputs(*backbones), None, seen.state, keys, seen.asked)

        def answer(arguments: tuple[jax.Array, ...], rows: Argument) -> jax.Array:
            answers = self._answers.pack(decide(arguments, rows))
            return on_host(answers) if pinned else answers

        options = compiler_options()
        self._decide, self._answer = decide, jax.jit(answer, keep_unused=keep_unused, compiler_options=options)
        self._preprocess = jax.jit(lambda rows: seen_by(rows).policy_inputs(*backbones), compiler_options=options)

    def __call__(
        self, requests: Mapping[int, PolicyRequest], asked: bool = True
    ) -> dict[int, tuple[DecodedChunks, PyTree]]:
        """Answers each request, row -> request: its chunk and its episode's next state, on the host, without row axes.

        Args:
            requests: of some rows.
            asked: False tells the decoder that no episode waits for these rows (`Decoder.decode`), to time a call of
                a cascade that needs no look: the answers then mean nothing.

        Raises:
            ValueError: an observation does not fit (`HostBatch.write`).
        """
        answers = self._answer(self._arrays.arguments, self._batch.write(requests, asked))
        # Once they are here the call is over, and the rows may be written again. Answers are copied, so that the next
        # call gets the same memory: XLA patches its CUDA graphs where an address has changed.
        copy = copy_of(answers)
        return {row: self._answers.views(copy[row]) for row in requests}

    def lower(self, sharding: Sharding) -> Lowered:
        """The call for another device, of which `sharding` is; nothing of it need be here."""
        rows = jax.ShapeDtypeStruct(self._shape, np.uint8, sharding=sharding)
        lowered: Lowered = self._answer.lower(on_devices(self._arrays.arguments, sharding), rows)
        return lowered

    def preprocess(self, requests: Mapping[int, PolicyRequest]) -> PolicyInputs:
        """Requests as the backbone takes them, on the device: what precedes the backbone, compiled separately."""
        # The rows may be written again only when they have been read.
        inputs: PolicyInputs = jax.block_until_ready(self._preprocess(self._batch.write(requests)))
        return inputs

    @property
    def _shape(self) -> tuple[int, int]:
        return self._batch.size, self._batch.layout.size

    @functools.cached_property
    def _answers(self) -> ByteLayout:
        """Of a row's chunk and state."""
        rows = jax.ShapeDtypeStruct(self._shape, np.uint8)
        return ByteLayout.of_batch(jax.eval_shape(self._decide, self._arrays.arguments, rows))
