"""What a policy's compiled call is given of each row: written on the host, read inside."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from eval_bridge.policies.byte_layout import ByteLayout
from eval_bridge.policies.host_memory import Argument, host_rows
from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import check_state
from rsd_jax.array_types import PyTree
from rsd_jax.backbones.interface import Backbone, PolicyInputs
from rsd_jax.demos.frames import RENDER_SIZE, to_size


class RowInputs(NamedTuple):
    """A request as arrays; in a compiled call, all of them with a first axis for the rows.

    Attributes:
        asked: whether there is a request at all; the rest then means something.
        frames: of the cameras that the policy needs, as rendered, ``uint8 [N, 256, 256, 3]``.
        proprio: the robot's state, ``float32 [P]``.
        instruction_ids: of `Backbone.encode_instruction`, ``int32 [W]``.
        draft_instruction_ids: of a draft policy's backbone that takes other inputs (`Networks.draft_apart`); none
            without one.
        episode: words of the episode's random key, ``uint32 [2]``.
        call: how many chunks the episode has asked for before, ``int32``.
        state: of the episode, as the decoder left it.
    """

    asked: Any
    frames: Any
    proprio: Any
    instruction_ids: Any
    draft_instruction_ids: Any
    episode: Any
    call: Any
    state: PyTree

    def policy_inputs(self, backbone: Backbone, draft: Backbone | None = None) -> PolicyInputs:
        """What `backbone` takes of rows in a compiled call, and a draft policy's of another kind, `draft`.

        Frames are reduced as those of demonstrations were (`to_size`), from as rendered for each of the two.
        """
        seen = PolicyInputs(self._frames_for(backbone), self.proprio, self.instruction_ids)
        if draft is None:
            return seen
        apart = PolicyInputs(self._frames_for(draft), self.proprio, self.draft_instruction_ids)
        return seen._replace(for_draft=apart)

    def _frames_for(self, backbone: Backbone) -> jax.Array:
        return to_size(self.frames, backbone.observation_needs.image_size)


class HostBatch:
    """Memory for the requests of `size` rows, as bytes; a row holds what was last written to it, zeros at first.

    Attributes:
        size: number of rows.
        layout: of a `RowInputs` in a row.
    """

    size: int
    layout: ByteLayout

    def __init__(
        self, size: int, backbone: Backbone, initial_state: PyTree, pinned: bool, draft: Backbone | None = None
    ) -> None:
        """Makes the rows for a policy with this `backbone` and a decoder with this `initial_state` (`host_rows`).

        Args:
            size: rows.
            backbone: of the policy.
            initial_state: of the decoder.
            pinned: see `CompiledCall`.
            draft: backbone of a draft policy that takes other inputs, of the same cameras and state.
        """
        needs = backbone.observation_needs
        self.size, self._initial_state = size, initial_state
        self._encode = functools.lru_cache(maxsize=256)(backbone.encode_instruction)
        self._encode_for_draft = functools.lru_cache(maxsize=256)(
            _no_words if draft is None else draft.encode_instruction
        )
        self.layout = ByteLayout(
            RowInputs(
                asked=np.False_,
                frames=np.zeros((len(needs.cameras), RENDER_SIZE, RENDER_SIZE, 3), np.uint8),
                proprio=np.zeros(needs.state_size, np.float32),
                instruction_ids=self._encode("an instruction"),
                draft_instruction_ids=self._encode_for_draft("an instruction"),
                episode=np.zeros(2, np.uint32),
                call=np.int32(0),
                state=initial_state,
            )
        )
        memory, self._argument = host_rows(size, self.layout.size, pinned)
        self._views: list[RowInputs] = [self.layout.views(row) for row in memory]

    def write(self, requests: Mapping[int, PolicyRequest], asked: bool = True) -> Argument:
        """Puts requests into their rows; returns all rows, without a copy, of which no other is asked.

        Args:
            requests: row -> request.
            asked: that of `RowInputs`, of these rows.

        Raises:
            ValueError: an observation has other shapes than the policy needs, a state that holds a number that is not
                finite, or an instruction that cannot be encoded.
        """
        for row in range(self.size):
            self._views[row].asked[()] = asked and row in requests
        for row, request in requests.items():
            self._write(self._views[row], request)
        return self._argument

    def _write(self, views: RowInputs, request: PolicyRequest) -> None:
        observation = request.observation
        expected = (views.frames[0].shape,) * len(views.frames), views.proprio.shape
        found = tuple(frame.shape for frame in observation.frames), observation.proprio.shape
        if found != expected or any(frame.dtype != np.uint8 for frame in observation.frames):
            raise ValueError(
                f"the observation has frames and state of shapes {found}; this policy needs {expected}, frames as "
                "cameras render them: take them by `select_observation` with the policy's observation_needs"
            )
        check_state(observation.proprio)
        views.instruction_ids[:] = self._encode(observation.instruction)
        views.draft_instruction_ids[:] = self._encode_for_draft(observation.instruction)
        for place, frame in zip(views.frames, observation.frames, strict=True):
            place[:] = frame
        views.proprio[:] = observation.proprio
        views.episode[:], views.call[()] = request.episode, request.call
        state = self._initial_state if request.state is None else request.state
        jax.tree.map(np.copyto, views.state, state)


def _no_words(instruction: str) -> NDArray[np.int32]:
    del instruction
    return np.zeros(0, np.int32)
