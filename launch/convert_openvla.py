r"""Converts OpenVLA's and OpenVLA-OFT's published weights into a policy of this project, or back.

    python -m launch.convert_openvla --source openvla-7b-oft-finetuned-libero-spatial --out runs/openvla
    python -m launch.convert_openvla --source CHECKPOINT --base openvla-7b --out runs/openvla  # a LoRA adapter, merged
    python -m launch.convert_openvla --source runs/openvla --to huggingface --out FOLDER
    python -m launch.convert_openvla --random tiny --out runs/random    # or openvla_7b: nothing trained, to try out
    python -m launch.convert_openvla --policy runs/finetuned --out runs/next    # another run's, as it is

Read is a folder as transformers keeps it: config.json, model*.safetensors, tokenizer.json, dataset_statistics.json,
and of OFT action_head--*.pt and proprio_projector--*.pt, which are read without running what they say. Every name in
it is accounted for before anything is written. Nothing is downloaded but with --hub OWNER/NAME in the place of
--source. What is ours already, such as launch.export_finetuned's, another run takes by --policy.

The policy is RUN/policy; what has no effect on its actions, and all files that are no weights, lie in its checkpoint
too, and the way back writes them again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from launch.command_line import path_argument, run_command
from rsd_jax.backbones.openvla.configuration import SIZES
from rsd_jax.stored_models.openvla.conversion import write_checkpoint
from rsd_jax.stored_models.openvla.published_folder import PublishedFolder, open_published
from rsd_jax.stored_models.openvla.publishing import publish
from rsd_jax.stored_models.openvla.random_policy import write_random_policy
from rsd_jax.stored_models.openvla.shared_policy import share_policy
from rsd_jax.stored_models.openvla.untrained_checkpoint import HELDOUT_EVERY
from rsd_jax.stored_models.random_weights import RANDOM_WEIGHTS, has_random_weights, in_red


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.convert_openvla",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--source", type=path_argument, metavar="FOLDER", help="a published folder; with --to "
                        "huggingface a run's")  # fmt: skip
    source.add_argument("--random", choices=tuple(SIZES), help="no weights are at hand: draw them, of these sizes; "
                        "whatever is shown of such a run says so in red")  # fmt: skip
    source.add_argument("--hub", metavar="OWNER/NAME", help="download it from the Hugging Face Hub")
    source.add_argument("--policy", type=path_argument, metavar="RUN", help="the policy of another run, as it is but "
                        "for --exit_block")  # fmt: skip
    parser.add_argument("--out", type=path_argument, required=True, metavar="FOLDER", help="the run's folder, or with "
                        "--to huggingface a new one")  # fmt: skip
    parser.add_argument("--to", choices=("orbax", "huggingface"), default="orbax", help="which way")
    parser.add_argument("--base", type=path_argument, metavar="FOLDER", help="what a LoRA adapter in SOURCE or "
                        "SOURCE/lora_adapter was trained on")  # fmt: skip
    parser.add_argument("--statistics_key", default="", metavar="NAME", help="dataset whose ranges the policy acts "
                        "by, where there are several: libero_spatial_no_noops, ...")  # fmt: skip
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), help="of the parameters; left out, as published")
    parser.add_argument("--prompt_length", type=int, default=48, help="places for the prompt's tokens")
    parser.add_argument("--exit_block", type=int, metavar="N", help="blocks of the language model that run, the "
                        "others are skipped; left out, all do")  # fmt: skip
    parser.add_argument("--compute_dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of activations")
    parser.add_argument("--heldout_every", type=int, default=HELDOUT_EVERY, metavar="N", help="every how many-th "
                        "episode of a task heads do not learn from")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    options = parser.parse_args(arguments)
    if options.to == "huggingface":
        if options.source is None or options.base or options.dtype:
            parser.error("--to huggingface takes --source RUN and --out alone")
        print(f"{publish(options.source, options.out)} tensors in {options.out}")
        return
    if options.policy:
        if options.base or options.statistics_key or options.dtype:
            parser.error("--policy takes neither --base, --statistics_key nor --dtype: nothing is converted")
        warning = in_red(RANDOM_WEIGHTS) if has_random_weights(options.policy) else "shared"
        print(f"{share_policy(options.policy, options.out, options.exit_block)}: {warning}")
        return
    backbone = {name: getattr(options, name) for name in ("prompt_length", "exit_block", "compute_dtype")}
    if options.random:
        if options.base or options.statistics_key:
            parser.error("--random takes neither --base nor --statistics_key: nothing is read")
        checkpoint = write_random_policy(
            options.random, options.out, options.dtype, options.seed, options.heldout_every, **backbone
        )
        print(f"{checkpoint}: {in_red(RANDOM_WEIGHTS)}")
        return
    folder = _download(options.hub) if options.source is None else options.source
    opened = open_published(folder, options.base, options.statistics_key, **backbone)
    with tqdm(total=_bytes(opened), desc=str(options.out), unit="B", unit_scale=True) as bar:
        checkpoint = write_checkpoint(
            opened,
            options.out,
            options.hub or folder.name,
            options.dtype,
            heldout_every=options.heldout_every,
            on_bytes=bar.update,
        )
    print(f"{len(opened.arrays)} arrays in {checkpoint}, ranges of {opened.ranges.key}")


def _download(name: str) -> Path:
    """Brings a repository of the Hugging Face Hub into its cache on this machine."""
    from huggingface_hub import snapshot_download  # only where a name is given: nothing else goes online

    return Path(snapshot_download(name))


def _bytes(opened: PublishedFolder) -> int:
    return sum(fact.nbytes for fact in opened.tensors.facts.values())


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
