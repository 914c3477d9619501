"""Axis letters and array types used everywhere in the project.

==========  ==============================================================
letter      meaning
==========  ==============================================================
``B``       batch
``T``       step of a demonstration
``C``       step of an action chunk (8)
``A``       action dimension (7: three translations, three rotations, gripper)
``D``       latent dimension of a chunk step (16)
``L``       RFSQ layer, coarse to fine (8)
``K``       layers that one draft pass proposes (3)
``V``       levels of a digit (7)
``F``       feature dimension of the backbone
==========  ==============================================================

Tokens are always ``int32 [B, C, D, L]``; a *column* is the run of L digits of one latent ``(C, D)``.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import beartype
import jaxtyping
from jaxtyping import Array, Bool, Float, Int, UInt8

Actions = Float[Array, "B C A"]
Latents = Float[Array, "B C D"]
LayeredLatents = Float[Array, "B C D L"]
Tokens = Int[Array, "B C D L"]
Position = Int[Array, "B C D"]
Features = Float[Array, "B C F"]
Logits = Float[Array, "B C D N V"]
LayerMask = Bool[Array, "L D"]
LayerTable = Float[Array, "L D"]
Images = UInt8[Array, "B N H W 3"]
Scalar = Float[Array, ""]
PyTree = Any

_Function = TypeVar("_Function", bound=Callable[..., Any])


def typecheck(function: _Function) -> _Function:
    """Checks the jaxtyping shapes of a function's arguments and result whenever it is called or traced."""
    return jaxtyping.jaxtyped(typechecker=beartype.beartype)(function)
