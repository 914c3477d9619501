"""Lossless decoders with the shipped heads, compiled as users compile them, and how differences are counted."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from eval_bridge.policies import decoders
from eval_bridge.policies.losslessness import Decoded, Differences, compare

SHAPE = (3, 2, 2, 4)  # chunks, steps, latents, layers


def decoded(*changes):
    tokens = np.zeros(SHAPE, np.int32)
    for place in changes:
        tokens[place] = 1
    return Decoded(tokens, np.full(SHAPE[0], 4, np.int32), accepted=0, proposed=0)


def test_equal_tokens_have_no_differences():
    assert compare(decoded(), decoded(), np.zeros(SHAPE, np.float32)) == Differences(3, 48, 0, 0, None)


def test_the_gap_is_that_of_the_coarsest_digit_that_differs():
    """The digits behind it follow from it, however clear they were."""
    gaps = np.zeros(SHAPE, np.float32)
    gaps[0, 0, 0] = [9, 0.25, 9, 9]
    gaps[2, 1, 1] = [9, 9, 0.125, 9]
    other = decoded((0, 0, 0, 1), (0, 0, 0, 2), (0, 0, 0, 3), (2, 1, 1, 2))
    assert compare(decoded(), other, gaps) == Differences(3, 48, 2, 4, 0.25)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The command on the shipped checkpoint, in a process of its own: with the compiler's default flags."""
    path = tmp_path_factory.mktemp("losslessness") / "result.json"
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    arguments = ["--chunks", "32", "--batch_sizes", "16", "--json", str(path)]
    command = [sys.executable, "-m", "launch.check_decoders", *arguments]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(path.read_text())["results"]


def test_lossless_decoders_equal_autoregressive_decoding_as_users_compile_them(checked):
    rows = {(row["decoder"], row["batch_size"]): row for row in checked}
    lossless = {each.name for each in decoders.LOSSLESS}
    assert set(rows) == {(name, 16) for name in lossless}
    for row in checked:
        assert row["differences"]["different_digits"] == 0, row
        assert row["differences"]["digits"] == 32 * 8 * 16 * 8
    for name in lossless:
        assert 1 < rows[name, 16]["rounds_mean"] < 8


def test_near_ties_are_counted(checked):
    for row in checked:
        counts = [row["near_ties"][limit] for limit in ("0.001", "0.0001", "1e-05", "1e-06")]
        assert counts == sorted(counts, reverse=True)
        assert counts[0] < 0.001 * row["differences"]["digits"]
