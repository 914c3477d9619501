"""OpenVLA as a main model of residual tokens: it decodes their layers through its language model, which keeps a cache.

The first pass is the prefill, in whose slots the first draft rides along, so that one pass plans and verifies. Later
ones are short: they run slots alone, and attend to what the first has made of images, state and prompt. That is the
same whatever was drafted, because the context never attends to a slot.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Logits, Position, PyTree, Tokens
from rsd_jax.backbones.openvla.backbone import NetworkInputs
from rsd_jax.backbones.openvla.digit_slots import DigitCode, DigitSlots
from rsd_jax.backbones.openvla.language_model import KeysValues
from rsd_jax.backbones.openvla.network import Frames, OpenVlaNetwork, TokenSequence


class SlotCache(NamedTuple):
    """What passes have made, for later ones to attend to.

    Attributes:
        blocks: of each block, of the M places of the context and then of all layers' slots,
            ``[B, M + L * C * A, H, E]``
            twice; zeros where no pass has run a slot yet.
        lengths: of each row's context, without padding.
    """

    blocks: list[KeysValues]
    lengths: Int[Array, "B"]


class DigitNetwork(nn.Module):
    """OpenVLA's networks with slots for digits.

    Attributes:
        network: OpenVLA's, whose own slots stay out.
        code: whose digits.
    """

    network: OpenVlaNetwork
    code: DigitCode

    def setup(self) -> None:
        """Creates what enters slots and reads them."""
        self.digit_slots = DigitSlots(self.code, self.network.sizes.language.width)

    def prefill(
        self,
        frames: Frames,
        state: Float[Array, "B P"] | None,
        prompt_ids: Int[Array, "B W"],
        tokens: Tokens,
        num_layers: int,
    ) -> tuple[Logits, SlotCache]:
        """Logits of the first `num_layers` layers, each given the coarser digits in `tokens`, and the cache."""
        code, language = self.code, self.network.language_model
        sequence = self.begin(frames, state, prompt_ids)
        context = sequence.tokens.shape[1]
        layers = code.layers_of_slots(0, num_layers, len(tokens))
        slots = self.enter_slots(tokens, layers).astype(sequence.tokens.dtype)
        is_seen = code.is_seen(layers, sequence.lengths, context)[..., : context + layers.shape[1]]
        places = sequence.lengths[:, None] + jnp.arange(layers.shape[1])
        states, made = language.run_context_with_slots(
            sequence.tokens, slots, sequence.lengths, places, is_seen, self.network.is_causal
        )
        behind = ((0, 0), (0, (code.num_layers - num_layers) * code.slots), (0, 0), (0, 0))
        blocks = [KeysValues(*(jnp.pad(array, behind) for array in each)) for each in made]
        return self.read_slots(language.normalize(states)), SlotCache(blocks, sequence.lengths)

    def continue_slots(
        self, cache: SlotCache, tokens: Tokens, position: Position | int, num_layers: int
    ) -> tuple[Logits, SlotCache]:
        """Logits of `num_layers` layers from each column's position on, and the cache with what was made of them.

        Columns that share a slot must stand at one position. Logits behind the last layer mean nothing.
        """
        code, language = self.code, self.network.language_model
        layers = code.layers_of_slots(position, num_layers, len(tokens))
        context = cache.blocks[0].keys.shape[1] - code.num_layers * code.slots
        slots = self.enter_slots(tokens, layers).astype(cache.blocks[0].keys.dtype)
        of_layer = layers * code.slots + np.tile(np.arange(code.slots), num_layers)
        is_together = isinstance(position, int) and position + num_layers <= code.num_layers
        states, blocks = language.run_slots(
            slots,
            cache.lengths[:, None] + of_layer,
            code.is_seen(layers, cache.lengths, context),
            cache.blocks,
            context + position * code.slots if is_together else context + of_layer,
        )
        return self.read_slots(language.normalize(states)), cache._replace(blocks=blocks)

    def begin(self, frames: Frames, state: Float[Array, "B P"] | None, prompt_ids: Int[Array, "B W"]) -> TokenSequence:
        """The context: images, state and prompt, as they enter the first block."""
        return self.network.enter(frames, state, prompt_ids, slots=0)

    def enter_slots(self, tokens: Tokens, layers: Int[Array, "B N"]) -> Float[Array, "B N F"]:
        """What slots of these layers enter the first block as, given the digits before."""
        return self.digit_slots.enter(tokens, layers)

    def read_slots(self, states: Float[Array, "B N F"]) -> Logits:
        """Logits of the digits of the slots' layers, of the slots' normalised states."""
        return self.digit_slots.logits(states)


@dataclass(frozen=True, eq=False)
class DigitMain:
    """A digit network with its parameters as what decoders call (a `CachingMainFn` of `rsd_jax.decoding`).

    The features of its calls are `NetworkInputs`. It declares its sets of columns.

    Attributes:
        network: what computes.
        params: its parameters, in the type of activations: products of others are in the wider type.
    """

    network: DigitNetwork
    params: PyTree

    keeps_cache: ClassVar[Literal[True]] = True

    @property
    def column_sets(self) -> NDArray[np.integer]:
        """See `DigitCode`."""
        return self.network.code.column_sets

    def __call__(
        self,
        features: NetworkInputs,
        cache: SlotCache | None,
        tokens: Tokens,
        position: Position | int,
        *,
        num_layers: int,
    ) -> tuple[Logits, SlotCache]:
        """The prefill without a cache, with one a short pass.

        Raises:
            ValueError: there is no cache, and the pass is not to begin at layer 0.
        """
        count = min(num_layers, self.network.code.num_layers)
        if cache is not None:
            logits, cache = self._apply("continue_slots", cache, tokens, position, count)
        elif isinstance(position, int) and position == 0:
            logits, cache = self._apply("prefill", *features, tokens, count)
        else:
            raise ValueError(f"position is {position}, and there is no cache; the first pass must begin at layer 0")
        behind = ((0, 0), (0, 0), (0, 0), (0, num_layers - count), (0, 0))
        return jnp.pad(logits, behind), cache

    def _apply(self, method: str, *arguments: Any) -> Any:
        return self.network.apply({"params": self.params}, *arguments, method=method)
