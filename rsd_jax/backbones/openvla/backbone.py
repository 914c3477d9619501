"""OpenVLA behind the interface of backbones: the features of a chunk step are the states of its action slots."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from rsd_jax.array_types import Features, PyTree
from rsd_jax.backbones.eight_bit import EIGHT_BITS, cast_others, in_eight_bits, linear_layers, multiply_in_eight_bits
from rsd_jax.backbones.image_preprocessing import AugmentationConfig, augment_images
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.openvla.augmentation import OftAugmentation, augment_as_oft
from rsd_jax.backbones.openvla.configuration import OPENVLA_7B, SIZES, OpenVlaSizes
from rsd_jax.backbones.openvla.image_preparation import prepare_frames, to_levels, to_pixels, whole_frames
from rsd_jax.backbones.openvla.kept_activations import KEPT_ACTIVATIONS
from rsd_jax.backbones.openvla.network import Frames, OpenVlaNetwork, TokenSequence
from rsd_jax.backbones.openvla.prompt import TOKENIZER_FILE, encode_prompt
from rsd_jax.backbones.openvla.token_sequence import read_out
from rsd_jax.backbones.proprioception import ProprioNormalizer, augment_proprio
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.registry import to_dataclass

IMAGE_SIZE = 256
"""Side of the frames that it takes, pixels: what OFT renders and makes its data of."""

PUBLISHED_FOLDER = "published"
"""In a checkpoint: the files of the published folder that are no weights."""

_PARTS_WITH_BLOCKS = ("language_model", "dinov2", "siglip")


class NetworkInputs(NamedTuple):
    """What the network takes: frames as the towers see them, the normalised state or none, and the prompt."""

    frames: Frames
    state: Float[Array, "B P"] | None
    prompt_ids: Int[Array, "B W"]


@dataclass(frozen=True)
class OpenVlaBackbone:
    """OpenVLA or OpenVLA-OFT: what it is shown, what is read off it, and what it computes from parameters and inputs.

    Attributes:
        sizes: of the networks.
        cameras: whose frames it sees, in order.
        state_size: numbers of the robot's state; 0 for OpenVLA, which does not take it.
        chunk_length: C. action_dim: A, slots of a step.
        prompt_length: places for the prompt's tokens. LIBERO's longest instructions take about 40.
        is_causal: whether no token sees one behind it, as in OpenVLA; in OFT all see all.
        compute_dtype: of activations and products; parameters in another type are cast.
        tokenizer_file: of the prompt. What a checkpoint holds is named when it is loaded.
        exit_block: blocks of the language model that run, from the first on; the others are skipped, and what would
            be read behind the last is read there. None for all.
        kept_activations: for the backward pass, one of `KEPT_ACTIVATIONS`; it changes no result, and no checkpoint
            says it.
    """

    sizes: OpenVlaSizes = OPENVLA_7B
    cameras: tuple[str, ...] = ("agentview", "wrist")
    state_size: int = 8
    chunk_length: int = 8
    action_dim: int = 7
    prompt_length: int = 48
    is_causal: bool = False
    compute_dtype: str = "bfloat16"
    tokenizer_file: str = ""
    exit_block: int | None = None
    kept_activations: str = "all"

    def __post_init__(self) -> None:
        """Checks the type of activations, and that there are so many blocks."""
        depth = self.sizes.language.depth
        if self.exit_block is not None and not 0 < self.exit_block <= depth:
            raise ValueError(f"exit_block is {self.exit_block}; it must be from 1 to depth = {depth}, or None for all")
        if self.compute_dtype not in ("bfloat16", "float32"):
            raise ValueError(f"compute_dtype is {self.compute_dtype!r}; it must be 'bfloat16' or 'float32'")
        if self.kept_activations not in KEPT_ACTIVATIONS:
            raise ValueError(
                f"kept_activations is {self.kept_activations!r}; it must be one of {', '.join(KEPT_ACTIVATIONS)}"
            )

    @property
    def chunks(self) -> int:
        """It looks no further than what is acted on."""
        return 1

    @property
    def oldest_memory(self) -> int:
        """It takes no memory."""
        return 0

    @property
    def width(self) -> int:
        """F, features of a step: its slots' states, one after the other."""
        return self.action_dim * self.sizes.language.width

    @property
    def slots(self) -> int:
        """Action slots of the sequence."""
        return self.chunk_length * self.action_dim

    @property
    def observation_needs(self) -> ObservationNeeds:
        """See `Backbone`."""
        return ObservationNeeds(IMAGE_SIZE, self.cameras, self.state_size)

    def to_json(self) -> dict[str, Any]:
        """Its fields as JSON values, but for what concerns training alone."""
        return {name: value for name, value in asdict(self).items() if name != "kept_activations"}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; `sizes` may also be a name among `rsd_jax.backbones.openvla.configuration.SIZES`.

        Raises:
            ValueError: fields or sizes that do not exist, or do not fit together.
        """
        sizes = fields.get("sizes")
        if not isinstance(sizes, str):
            return to_dataclass(cls, fields)
        if sizes not in SIZES:
            raise ValueError(f"sizes is {sizes!r}; it must be one of {', '.join(SIZES)}, or all sizes")
        return to_dataclass(cls, {**fields, "sizes": asdict(SIZES[sizes])})

    def with_files(self, checkpoint: Path) -> Self:
        """See `KeepsFiles`."""
        return replace(self, tokenizer_file=str(checkpoint / PUBLISHED_FOLDER / TOKENIZER_FILE))

    def encode_instruction(self, instruction: str) -> NDArray[np.int32]:
        """Token ids of the prompt, see `encode_prompt`."""
        return encode_prompt(instruction, self.tokenizer_file, self.prompt_length)

    def network(self, compute_dtype: str | None = None) -> OpenVlaNetwork:
        """The networks that run. Of the parameters of `init` they take those of the blocks up to `exit_block`."""
        sizes = replace(self.sizes, language=replace(self.sizes.language, depth=self.depth))
        dtype = compute_dtype or self.compute_dtype
        return OpenVlaNetwork(sizes, self.slots, self.is_causal, dtype, self.kept_activations)

    def init(self, key: jax.Array) -> PyTree:
        """Draws the parameters, see `Backbone`; float32."""
        whole = replace(self, exit_block=None).network("float32")
        return whole.init(key, *self._blank_inputs())["params"]

    def prepare(self, normalizer: ProprioNormalizer, inputs: PolicyInputs) -> NetworkInputs:
        """Observations as they come, as the network takes them.

        Raises:
            ValueError: a memory is given, or the images do not fit (`prepare_frames`).
        """
        if inputs.memory is not None:
            raise ValueError("inputs.memory is given, and this backbone takes none; leave it out")
        frames = prepare_frames(inputs.images, self.sizes.image_size)
        return NetworkInputs(frames, self._state(normalizer, inputs), inputs.instruction_ids)

    def features(self, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs) -> Features:
        """Features of observations as they come; see `Backbone`."""
        return self.features_from(params, self.early_tokens(params, normalizer, inputs, 0), 0)

    def augmented_features(
        self,
        augmentation: AugmentationConfig,
        params: PyTree,
        normalizer: ProprioNormalizer,
        inputs: PolicyInputs,
        key: jax.Array,
        compute_dtype: str = "float32",
    ) -> Features:
        """Features for training, see `Backbone`; normalizations and softmax stay in float32."""
        given = augmentation, params, normalizer, inputs, key, 0, compute_dtype
        return self.features_from(params, self.augmented_early_tokens(*given), 0)

    @property
    def depth(self) -> int:
        """Blocks of the language model that run; see `EarlyExitBackbone`."""
        return self.exit_block or self.sizes.language.depth

    def early_tokens(
        self, params: PyTree, normalizer: ProprioNormalizer, inputs: PolicyInputs, blocks: int
    ) -> TokenSequence:
        """See `EarlyExitBackbone`; `blocks` may also be 0 or all."""
        return self.apply("first_blocks", params, *self.prepare(normalizer, inputs), blocks)

    def augmented_early_tokens(
        self,
        augmentation: AugmentationConfig,
        params: PyTree,
        normalizer: ProprioNormalizer,
        inputs: PolicyInputs,
        key: jax.Array,
        blocks: int,
        compute_dtype: str = "float32",
    ) -> TokenSequence:
        """See `EarlyExitBackbone`."""
        image_key, noise_key = jax.random.split(key)
        prepared = self.prepare(normalizer, inputs)
        if isinstance(augmentation, OftAugmentation):
            whole = whole_frames(inputs.images, self.sizes.image_size).astype(jnp.float32) / 255
            frames = 255 * augment_as_oft(image_key, whole, augmentation)
        else:
            frames = to_levels(augment_images(image_key, to_pixels(prepared.frames), augmentation))
        state = prepared.state
        if state is not None:
            state = augment_proprio(noise_key, state, augmentation)
        changed = prepared._replace(frames=frames, state=state)
        return self.apply("first_blocks", params, *changed, blocks, compute_dtype=compute_dtype)

    def exit_slots(self, tokens: TokenSequence) -> Features:
        """See `EarlyExitBackbone`: what is read of each step's slots, one after the other."""
        return self._by_step(read_out(tokens.tokens, tokens.window, self.slots))

    def features_from(self, params: PyTree, tokens: TokenSequence, blocks: int) -> Features:
        """See `EarlyExitBackbone`."""
        dtype = tokens.tokens.dtype.name
        return self._by_step(self.apply("last_blocks", params, tokens, blocks, compute_dtype=dtype))

    def _blank_inputs(self) -> NetworkInputs:
        side = self.sizes.image_size
        frames = jnp.zeros((1, len(self.cameras), side, side, 3), jnp.uint8)
        state = jnp.zeros((1, self.state_size), jnp.float32) if self.state_size else None
        return NetworkInputs(frames, state, jnp.ones((1, self.prompt_length), jnp.int32))

    def _state(self, normalizer: ProprioNormalizer, inputs: PolicyInputs) -> Float[Array, "B P"] | None:
        return jnp.clip(normalizer.normalize(inputs.proprio), -1.0, 1.0) if self.state_size else None

    def _by_step(self, states: Float[Array, "B S F"]) -> Features:
        return states.astype(jnp.float32).reshape(len(states), self.chunk_length, self.width)

    def apply(self, method: str, params: PyTree, *inputs: Any, compute_dtype: str | None = None, **more: Any) -> Any:
        """What a method of its network computes, with `params` in the type of activations."""
        network = self.network(compute_dtype)
        with nn.intercept_methods(multiply_in_eight_bits):
            cast = cast_others(params, network.compute_dtype)
            return network.apply({"params": cast}, *inputs, method=method, **more)

    def in_eight_bits(
        self, params: PyTree, parts: Sequence[str] = ("language_model",), dtype: str = EIGHT_BITS[0]
    ) -> PyTree:
        """Parameters whose blocks multiply in 8 bits: those of `parts`, all but what enters and leaves them.

        Args:
            params: as `init` draws them, or loaded; plain arrays.
            parts: some of language_model, dinov2 and siglip.
            dtype: one of `rsd_jax.backbones.eight_bit.EIGHT_BITS`.

        Raises:
            ValueError: a part is another, or the type is.
        """
        if unknown := set(parts) - set(_PARTS_WITH_BLOCKS):
            raise ValueError(
                f"parts has {', '.join(sorted(unknown))}; it must be some of {', '.join(_PARTS_WITH_BLOCKS)}"
            )
        network, inputs = self.network(), self._blank_inputs()
        layers = linear_layers(lambda: network.apply({"params": params}, *inputs, method="slot_states"))
        blocks = {path: axes for path, axes in layers.items() if path[0] in parts and path[1].startswith("block_")}
        return in_eight_bits(params, blocks, dtype)
