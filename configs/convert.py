r"""Converts demonstrations from one format into another.

    python -m launch.convert --config configs/convert.py \
        --config.source.format=rlds --config.source.path=modified_libero_rlds/libero_spatial_no_noops \
        --config.target.path=runs/no_noops/demos

Read are libero_hdf5 (a file or a folder; also regenerated without no-ops), rlds and lerobot (2.0, 2.1, 3.0).
Written are libero_hdf5, which training reads from RUN_DIR/demos, and lerobot (3.0).
Run again after an interruption, or with another on_error, it goes on where it stopped. On 2 cores about 100 episodes
a minute.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Values of a conversion; there are no variants."""
    if variant:
        raise ValueError(f"configs/convert.py has no variants, got {variant!r}")
    config = ConfigDict()
    config.source = ConfigDict()
    config.source.format = "libero_hdf5"
    config.source.path = ""
    # What images and actions mean; "" is what the LIBERO datasets published in this format mean.
    # Images "as_rendered" are upside-down, "upright" ones turned by 180 degrees.
    config.source.image_orientation = ""
    # "libero" (-1 open, +1 closed), "openvla" (1 open, 0 closed), "open_zero" (0, 1) or "open_one" (1, -1).
    config.source.gripper_convention = ""
    # Actions a second, whatever the file is labelled with: published LeRobot datasets say 10 and hold 20.
    config.source.source_hz = 20.0
    # How actions were normalised: "none", "q01_q99" or "min_max", with a dataset_statistics.json and the key in it.
    config.source.normalisation = "none"
    config.source.statistics = ""
    config.source.statistics_key = ""
    # Suite of all episodes; "" finds it in names of files and folders, or by the instruction.
    config.source.suite = ""
    # Names of features that published LIBERO datasets do not use, of rlds and lerobot; "" finds them out.
    config.source.agentview_key = ""
    config.source.wrist_key = ""
    config.source.state_key = ""
    config.source.action_key = ""
    # Split of an RLDS build; "" is "train".
    config.source.split = ""

    config.target = ConfigDict()
    config.target.format = "libero_hdf5"
    config.target.path = ""
    # An episode that cannot be read: "stop" there, or "skip" it and list it in TARGET/left_out.json.
    config.on_error = "stop"
    # Worker processes; 0 means one per core.
    config.workers = 0
    config.lock()
    return config
