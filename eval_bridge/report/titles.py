"""Names as pages write them."""

DECODER_TITLES = {
    "l1_regression": "L1 regression, no tokens",
    "two_step_regression": "Regression in two steps, no tokens",
    "autoregressive": "Autoregressive decoding, greedy",
    "speculative_greedy": "Residual speculative decoding, greedy and lossless",
    "fixed_point": "Decoding by fixed point, greedy and lossless",
    "one_pass": "All layers in one pass, greedy",
    "speculative_sampling": "Residual speculative decoding, lossless sampling",
    "cascade": "Cascade: a draft policy acts where a rule accepts it",
    "early_exit": "Early exit: a draft from the first blocks acts where it agrees with the last look",
    "certified": "Residual speculative decoding, greedy within a certified error",
}

EXECUTION_TITLES = {
    "blocking": "Blocking: the clock stands still while the policy computes",
    "hold": "Hold: the robot holds still while the policy computes",
    "async": "Asynchronous: what is left of the last chunk is executed while the policy computes",
    "rtc": "Real-time chunking: likewise, and the policy is told what will have been executed",
}


def suite_title(suite: str) -> str:
    """A suite's name as headings write it."""
    return suite.replace("libero", "LIBERO").replace("_", " ")
