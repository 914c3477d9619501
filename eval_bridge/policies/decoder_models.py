"""Joins trained heads to the decoders: models as functions of what a decoder hands them."""

from dataclasses import dataclass

import jax

from rsd_jax.array_types import Features, Latents, LayerMask, Logits, Position, PyTree, Tokens
from rsd_jax.decoding import CodeShape
from rsd_jax.heads.draft_model import DraftModel
from rsd_jax.heads.main_head import ColumnContext, MainHead
from rsd_jax.rfsq import QuantizerTable, RfsqTokenizer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HeadVariables:
    """Arrays of both heads: the code's constants and the parameters."""

    table: QuantizerTable
    draft: PyTree
    main: PyTree


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecoderFeatures:
    """What the decoders pass on to the models unseen: arrays, and all that depends on no token, computed once a chunk.

    Attributes:
        variables: the heads' arrays, here so that no compiled program captures them.
        draft_latents: the draft model's estimate. columns: the main head's context.
    """

    variables: HeadVariables
    draft_latents: Latents
    columns: ColumnContext


@dataclass(frozen=True)
class DecoderModels:
    """Draft model and main head as a `DraftFn` and a `MainFn` (`rsd_jax.decoding`)."""

    draft_model: DraftModel
    main_head: MainHead

    def prepare(self, variables: HeadVariables, features: Features) -> DecoderFeatures:
        """Computes once a chunk what depends on no token."""
        return DecoderFeatures(
            variables=variables,
            draft_latents=self.draft_model.apply({"params": variables.draft}, features, method="estimate"),
            columns=self.main_head.apply({"params": variables.main}, features, method="contextualise"),
        )

    def draft(self, features: DecoderFeatures, tokens: Tokens, position: Position) -> Logits:
        """A `DraftFn`."""
        variables = features.variables
        arguments = (features.draft_latents, variables.table, tokens, position)
        return self.draft_model.apply({"params": variables.draft}, *arguments, method="propose")

    def main(self, features: DecoderFeatures, tokens: Tokens, position: Position, *, num_layers: int) -> Logits:
        """A `MainFn`."""
        variables = features.variables
        arguments = (features.columns, variables.table, tokens, position, num_layers)
        return self.main_head.apply({"params": variables.main}, *arguments, method="score")

    def code_shape(self, tokenizer: RfsqTokenizer, informative: LayerMask) -> CodeShape:
        """Static shape of the tokenizer's code as this draft model walks it; `informative` is the tokenizer's."""
        return CodeShape(
            chunk_length=tokenizer.chunk_length,
            latent_dim=tokenizer.latent_dim,
            num_layers=tokenizer.table.num_layers,
            draft_layers=self.draft_model.config.draft_layers,
            informative=informative,
        )
