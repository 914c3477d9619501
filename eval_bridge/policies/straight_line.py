"""How much of a decoder's loop is written out as straight-line code."""

import jax


def written_out(passes: int | None, usual: int) -> int:
    """Passes of a decoder to write out: `passes`, or, where that is None, `usual` on accelerators and none on a CPU.

    Accelerators launch straight-line code at once and wait for the host in every turn of a loop; a CPU does not, and
    longer programs take longer to compile.
    """
    if passes is not None:
        return passes
    return 0 if jax.default_backend() == "cpu" else usual
