r"""A trained policy as a server, for clients of openpi and of vla-evaluation-harness.

    python -m launch.serve --config configs/serve.py
    python -m launch.serve --config configs/serve.py --config.run_dir=runs/NAME --config.host=0.0.0.0

Clients, conventions and what a server tells: docs/serving.md.

Variants:
    (none)    openpi's protocol at port 8000, vla-evaluation-harness's at port 8001, for this machine alone.
    tiny      the miniature policy in runs/tiny, at free ports: to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the server; `variant` is one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    # Whose checkpoints act. Empty: the checkpoint that ships with the project.
    config.run_dir = ""
    # As in configs/libero_eval.py.
    config.decoder = "speculative_greedy"
    config.decoder_settings = ""
    # Rows of one call of the policy, which answers so many clients at once; 0 means 1 on a CPU and 32 elsewhere.
    config.policy_batch = 0
    # Address to listen at: "0.0.0.0" for all of this machine's.
    config.host = "127.0.0.1"
    # Ports; 0 takes a free one, -1 leaves the protocol out. The same port twice: then the address says the protocol,
    # ws://HOST:PORT/openpi and ws://HOST:PORT/harness.
    config.openpi_port = 8000
    config.harness_port = 8001
    # Frames of other sides than 256 pixels are resized to that; actions are then not those of the exact frames.
    config.resizes_images = True
    # Of a chunk, where the server gives one action at a time (the harness's protocol); 0 for all.
    config.actions_executed = 0
    # Seconds that a call of the policy waits at most for clients who were answered just now.
    config.batch_wait = 0.002
    # Of the random numbers of decoders that draw.
    config.seed = 7
    config.limits = ConfigDict()
    config.limits.max_clients = 64
    config.limits.max_frame_bytes = 4 * 2**20
    # Seconds within which a request is answered, or given up.
    config.limits.request_deadline = 10.0
    # Seconds after which a client that answers no ping is dropped.
    config.limits.silence_limit = 120.0

    if variant == "tiny":
        config.run_dir = "runs/tiny"
        config.openpi_port = config.harness_port = 0
    config.lock()
    return config
