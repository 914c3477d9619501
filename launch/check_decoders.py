r"""Do the lossless decoders find the autoregressive decoder's tokens, as this machine compiles them?

    python -m launch.check_decoders
    python -m launch.check_decoders --run_dir runs/NAME --demos runs/NAME/demos/libero_spatial/*_demo.hdf5 \
        --json results/losslessness_DEVICE.json

The backbone sees the frames of demonstrations, or, without any, patchwork in place of frames: so far from a robot at
work that wrong drafts change what follows. Every decoder gets the same features. The exit status is 1 if a digit
differs that is no near-tie; near-ties, which rounding alone may decide otherwise, are counted.
"""

import argparse
import math
import sys
from collections.abc import Sequence

from eval_bridge.policies.compiled_policy import load_models
from eval_bridge.policies.decoders import SpeculativeGreedy
from eval_bridge.policies.losslessness import LosslessCheck, check_lossless_decoders
from eval_bridge.policies.observations_to_check import backbone_features, from_demonstrations, patchwork
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.provenance import device_name, git_commit, library_versions

NEAR_TIE = 1e-3
"""A difference at digits whose two best logits are closer than this is rounding's, not the decoder's."""


def describe(row: LosslessCheck) -> str:
    """One line about a decoder."""
    found, near_ties = row.differences, ", ".join(f"{count} < {limit:g}" for limit, count in row.near_ties.items())
    return (
        f"{row.decoder:<20} {row.batch_size:>3} rows a call, against {row.against}: {found.different_digits} of "
        f"{found.digits} digits differ, in {found.different_chunks} of {found.chunks} chunks; near-ties {near_ties}"
    )


def main(arguments: Sequence[str]) -> None:
    """Command line; exits with 1 if a decoder differs where there is no near-tie."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.check_decoders", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--run_dir", type=path_argument, default=PRETRAINED, help="whose checkpoints (default: the shipped one)"
    )
    parser.add_argument(
        "--demos", type=path_argument, nargs="+", default=[], metavar="FILE", help="HDF5 files with frames"
    )
    parser.add_argument("--chunks", type=int, default=1024, help="at most so many (default: 1024)")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 32], help="rows a call (default: 1 32)")
    parser.add_argument("--json", type=path_argument, metavar="FILE", help="also write the result there")
    options = parser.parse_args(arguments)
    if options.chunks < 1 or min(options.batch_sizes) < 1:
        raise ValueError(f"--chunks {options.chunks} and --batch_sizes {options.batch_sizes} must be at least 1")
    models = load_models(options.run_dir, SpeculativeGreedy())
    backbone = models.networks.policy.backbone
    if options.demos:
        chosen = from_demonstrations(options.demos, options.chunks, backbone)
    else:
        chosen = patchwork(options.chunks, backbone)
    count = len(chosen.images)
    whole = math.lcm(*options.batch_sizes)
    if count < whole:
        raise ValueError(
            f"{count} chunks do not fill batches of {options.batch_sizes} rows ({whole} chunks do): give more "
            "--demos, a larger --chunks or smaller --batch_sizes"
        )
    features = backbone_features(models, chosen)[: count - count % whole]
    rows: list[LosslessCheck] = []
    for row in check_lossless_decoders(models, features, options.batch_sizes):
        print(describe(row), flush=True)
        rows.append(row)
    if options.json is not None:
        result = {
            "source": "demonstrations" if options.demos else "patchwork",
            "results": [row.to_json() for row in rows],
            "policy_hash": models.networks.policy.params_hash,
            "device": device_name(),
            "commit": git_commit(),
            "versions": library_versions(),
        }
        write_json(options.json, result)
    wrong = [
        f"{row.decoder} differs where the best level leads by {row.differences.largest_gap:.3g}"
        for row in rows
        if (row.differences.largest_gap or 0.0) >= NEAR_TIE
    ]
    if wrong:
        sys.exit("error: " + "; ".join(wrong))


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
