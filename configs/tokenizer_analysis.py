"""Compares action tokenizers on one set of demonstrations: every variant and every baseline, two seeds.

    python -m launch.analyze_tokenizer --config configs/tokenizer_analysis.py --config.run_dir=runs/NAME

Needs demonstrations and a policy in the run's folder (launch.collect, configs/rfsq.py, configs/policy.py). Writes
results/tokenizer.json and RUN_DIR/tokenizer_analysis/report.html; run again, it goes on where it stopped.
Demonstrations of all ten libero_spatial tasks, 25 each, took 9 minutes on one GPU, compiling included and with the
variants side by side in processes of their own.

Variants:
    (none)    all variants, two seeds.
    tiny      two variants, one seed, a few steps; to see that it works.
"""

from ml_collections import ConfigDict

VARIANTS = ("", "tiny")


def get_config(variant: str = "") -> ConfigDict:
    """Values of the analysis; `variant` is "" or "tiny"."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(map(repr, VARIANTS))}, got {variant!r}")
    config = ConfigDict()
    config.run_dir = f"runs/{variant or 'default'}"
    # Where the figures are kept, and the page with the plots; "" is RUN_DIR/tokenizer_analysis/report.html.
    config.results = "results/tokenizer.json"
    config.page = ""
    # A text in which the table of the results is renewed, between its two markers; "" for none.
    config.document = ""
    config.seeds = (0, 1)
    # Variants of configs/rfsq.py, by the names that the results use, and the one that pipelines use.
    config.variants = ("layernorm", "learned_scale", "geometric", "naive", "nested", "staggered")
    config.default = "staggered"
    # Configurations of the heads that try to predict the tokens.
    config.draft = "configs/draft.py"
    config.main_head = "configs/main_head.py"
    # Layers that the draft proposes; the main head is judged on the others.
    config.draft_layers = 3
    config.head_steps = 4000
    config.head_batch_size = 256
    # Of the tokenizers; 0 keeps what configs/rfsq.py says.
    config.tokenizer_steps = 0
    # DCT coefficients are multiplied by this before rounding; one baseline each.
    config.dct_scales = (10.0, 50.0)
    # Figures of tests/benchmarks/tokenizer_speed.py to merge; "" for none.
    config.throughput = ""

    if variant == "tiny":
        config.results = "runs/tiny/tokenizer_analysis/tokenizer.json"
        config.seeds = (0,)
        config.variants = ("layernorm", "staggered")
        config.draft, config.main_head = "configs/draft.py:tiny", "configs/main_head.py:tiny"
        config.head_steps, config.head_batch_size = 20, 8
        config.tokenizer_steps = 200
        config.dct_scales = (10.0,)
    config.lock()
    return config
