"""Where the rows of batches come from, and how they reach the compiled step."""

from rsd_jax.training.row_sources.choice import PLACES, open_rows
from rsd_jax.training.row_sources.interface import Batch, Dispatch, Rows, RowSource, count_rows
from rsd_jax.training.row_sources.resident import ResidentRows
from rsd_jax.training.row_sources.row_order import RowOrder
from rsd_jax.training.row_sources.streamed import StreamedRows

__all__ = [
    "PLACES",
    "Batch",
    "Dispatch",
    "ResidentRows",
    "RowOrder",
    "RowSource",
    "Rows",
    "StreamedRows",
    "count_rows",
    "open_rows",
]
