"""Steps as parameters, learned by gradient."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn

from rsd_jax.array_types import Latents, PyTree, Scalar
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, make_table
from rsd_jax.rfsq.scalar_quantizer import level, nearest_digit, residual
from rsd_jax.rfsq.strategies.interface import QuantizerVariables


@dataclass(frozen=True)
class LearnedScale:
    """One learned step for every digit, middle levels at zero.

    The reconstruction hardly moves deep steps, so each layer also minimises its own relative quantization error
    (`scale_loss`; compare Esser et al. 2020, "Learned step size quantization").

    Attributes:
        num_layers: L. latent_dim: D. num_levels: V, odd.
        initial_ratio: of the steps of neighbouring layers before training.
        scale_weight: weight of `scale_loss`.
    """

    num_layers: int = 8
    latent_dim: int = 16
    num_levels: int = 7
    initial_ratio: float = 3.0
    scale_weight: float = 0.01

    def init(self) -> QuantizerVariables:
        """Steps from 2 / V on, each layer `initial_ratio` times finer."""
        layers = jnp.arange(self.num_layers, dtype=jnp.float32)[:, None]
        log_step = jnp.log(2.0 / self.num_levels) - layers * jnp.log(self.initial_ratio)
        log_step = jnp.broadcast_to(log_step, (self.num_layers, self.latent_dim))
        return QuantizerVariables({"log_step": nn.LogicallyPartitioned(log_step, (None, None))}, {})

    def table(self, variables: QuantizerVariables) -> QuantizerTable:
        """Differentiable in the steps: their rounding is a constant added."""
        step = jnp.exp(variables.params["log_step"])
        table = make_table(jnp.zeros_like(step), jax.lax.stop_gradient(step), self.num_levels)
        exact = step + (table.step - jax.lax.stop_gradient(step))
        return dataclasses.replace(table, step=exact)

    def update(self, variables: QuantizerVariables, latents: Latents) -> PyTree:
        """Nothing changes outside of the gradient."""
        del latents
        return variables.state

    def scale_loss(self, table: QuantizerTable, latents: Latents) -> Scalar:
        """Mean square quantization error of every layer over the variance of what it quantizes, weighted."""
        value = jax.lax.stop_gradient(latents.astype(jnp.float32))
        total = jnp.zeros((), jnp.float32)
        for constants in table.layers:
            digit = nearest_digit(value, constants, table.reach)
            error = jnp.mean((value - level(digit, constants)) ** 2, axis=(0, 1))
            total += jnp.mean(error / (jnp.mean(value**2, axis=(0, 1)) + 1e-12))
            value = jax.lax.stop_gradient(residual(value, digit, constants))
        return self.scale_weight * total
