"""Which policy an evaluation is of: a checkpoint of this project, an installed one of others, or a server's."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from eval_bridge.evaluation.folder import checkpoint_identity
from eval_bridge.evaluation.settings import EvaluationSettings
from eval_bridge.policies.compiled_policy import CompiledPolicy, default_policy_batch
from eval_bridge.policies.decoders import DECODERS, make_decoder
from eval_bridge.policies.interface import Policy
from eval_bridge.policies.plain_policy import load_installed_policy
from eval_bridge.policies.real_time import RealTimePolicy
from eval_bridge.serving.remote_policy import RemotePolicy
from eval_bridge.serving.server_address import is_address, read_address


class ChosenPolicy(NamedTuple):
    """A policy, and what names it in an evaluation's identity."""

    policy: Policy
    identity: dict[str, Any]


@contextmanager
def chosen_policy(settings: EvaluationSettings) -> Iterator[ChosenPolicy]:
    """The policy that `settings` name, as long as this is open.

    Raises:
        ValueError: it does not exist, its conventions are impossible, or its server's decoder cannot act as it is to
            be executed.
        CheckpointError: a stage of a checkpoint is missing or damaged, or stages do not belong together.
        PolicyServerError: its server cannot be reached.
    """
    if not settings.policy:
        asked = (settings.checkpoints, settings.decoder, settings.decoder_settings)
        yield ChosenPolicy(_load_own(settings), checkpoint_identity(*asked))
    elif is_address(settings.policy):
        with RemotePolicy(
            read_address(settings.policy, settings.policy_protocol),
            settings.conventions,
            batch_size=settings.policy_batch,
            token=os.environ.get("RSD_SERVE_TOKEN", ""),
            reply_limit=settings.policy_reply_limit,
        ) as remote:
            if remote.decoder in DECODERS.kinds:  # which a server of this project tells
                settings.check_decoder(make_decoder(remote.decoder))
            yield ChosenPolicy(remote, {"decoder": remote.decoder, **remote.identity})
    else:
        installed = load_installed_policy(settings.policy)
        yield ChosenPolicy(
            installed.policy, {"decoder": installed.policy.decoder, "policy.package": installed.package}
        )


def _load_own(settings: EvaluationSettings) -> Policy:
    """A checkpoint's policy: one that takes promises where some are made."""
    load: Callable[..., Policy] = CompiledPolicy.load
    if settings.timing.made.promises:
        load = partial(RealTimePolicy.load, coarse_layers=settings.coarse_layers)
    batch_size = settings.policy_batch or default_policy_batch()
    return load(
        settings.checkpoints, decoder=settings.decoder, batch_size=batch_size, settings=settings.decoder_settings
    )
