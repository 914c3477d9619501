"""The least that a policy of somebody else must be, to be evaluated in process; and where such policies are found.

A package that is installed beside this one names its policies as entry points of the group ``rsd_jax.policies``. In
its ``pyproject.toml``:

    [project.entry-points."rsd_jax.policies"]
    mine = "my_package.policies:MyPolicy"

Then ``--config.policy=mine`` evaluates what ``MyPolicy()`` returns: a `PlainPolicy`, or a whole `Policy`.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple, Protocol

import numpy as np

from eval_bridge.observations import CAMERAS, STATE_SIZE, Observation
from eval_bridge.policies.interface import (
    FUSED_STAGE,
    Policy,
    PolicyAnswer,
    PolicyRequest,
    output_without_tokens,
)
from rsd_jax.demos.frames import RENDER_SIZE
from rsd_jax.observation_needs import ObservationNeeds

POLICY_GROUP = "rsd_jax.policies"


class PlainPolicy(Protocol):
    """Observation in, chunk out. It may remember nothing but what it returns: episodes take turns."""

    def act(self, observation: Observation, state: Any) -> tuple[Any, Any]:
        """Decides on the next chunk of an episode.

        Args:
            observation: frames as rendered, the robot's state, the instruction.
            state: that the episode's last call returned; None at its first.

        Returns:
            Actions ``[C, 7]`` for LIBERO (the gripper opens at -1 and closes at 1), all of which are executed, C the
            same at every call, and the state for the episode's next call.
        """
        ...


class PlainPolicyAdapter:
    """A `PlainPolicy` as a `Policy`, one request after the other."""

    observation_needs = ObservationNeeds(RENDER_SIZE, CAMERAS, STATE_SIZE)
    batch_size = 1

    def __init__(self, policy: PlainPolicy, name: str) -> None:
        """`name` is what records call it."""
        self._policy, self.decoder = policy, name

    def act_batch(self, requests: Mapping[int, PolicyRequest]) -> dict[int, PolicyAnswer]:
        """Answers by row; raises whatever the policy raises."""
        return {row: self._answer(request) for row, request in requests.items()}

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        """The whole call."""
        return {FUSED_STAGE: lambda: self._policy.act(observation, None)[0]}

    def _answer(self, request: PolicyRequest) -> PolicyAnswer:
        (agentview, wrist), proprio, instruction = request.observation
        observation = Observation(agentview, wrist, proprio, instruction)
        actions, state = self._policy.act(observation, request.state)
        return PolicyAnswer(output_without_tokens(np.asarray(actions, np.float32)), state)


class InstalledPolicy(NamedTuple):
    """A policy that an installed package names, and that package's name and version."""

    policy: Policy
    package: str


def load_installed_policy(name: str) -> InstalledPolicy:
    """The policy called `name` of those that installed packages name.

    Raises:
        ValueError: there is none, several packages name one so, or what they name is not there or no policy.
    """
    found = entry_points(group=POLICY_GROUP)
    named = list({point.value: point for point in found if point.name == name}.values())
    if not named:
        names = ", ".join(sorted(found.names)) or "none"
        raise ValueError(
            f"policy={name!r} is neither an address (ws://HOST:PORT) nor installed; packages name these policies "
            f"as entry points of {POLICY_GROUP}: {names}"
        )
    if len(named) > 1:
        raise ValueError(f"policy={name!r} is named by several packages: {', '.join(map(_package, named))}")
    try:
        make = named[0].load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"policy={name!r}: {_package(named[0])} names {named[0].value}, and {error}") from error
    made = make()
    if hasattr(made, "act_batch"):
        return InstalledPolicy(made, _package(named[0]))
    if not callable(getattr(made, "act", None)):
        raise ValueError(
            f"policy={name!r}: {named[0].value} gives a {type(made).__name__}, which has neither act(observation, "
            "state) nor act_batch(requests)"
        )
    return InstalledPolicy(PlainPolicyAdapter(made, name), _package(named[0]))


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
