"""What a watched cascade knew, through files."""

from types import SimpleNamespace

import numpy as np
import pytest

from eval_bridge.episodes.shadow import EpisodeShadow, ShadowError, load_shadow, save_shadow, shadow_of
from eval_bridge.policies.interface import ShadowOutput


@pytest.fixture
def shadow():
    """Three calls, two ages, four chunks."""
    generator = np.random.default_rng(0)
    return EpisodeShadow(
        drafted=generator.integers(0, 7, (3, 2, 8, 5, 4), np.int8),
        foreseen=generator.integers(0, 7, (3, 4, 8, 5, 4), np.int8),
        distance=generator.uniform(0, 1, (3, 2)).astype(np.float32),
        looked=np.array([True, False, True]),
    )


def test_round_trip(tmp_path, shadow):
    path = save_shadow(tmp_path / "shadows" / "task00_episode001.npz", shadow)
    for name, array in load_shadow(path)._asdict().items():
        np.testing.assert_array_equal(array, getattr(shadow, name), strict=True)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_calls_of_an_episode_stand_one_behind_the_other(shadow):
    outputs = [
        SimpleNamespace(shadow=ShadowOutput(drafted.astype(np.int32), foreseen.astype(np.int32), far), looked=looked)
        for drafted, foreseen, far, looked in zip(*shadow, strict=True)
    ]
    for name, array in shadow_of(outputs)._asdict().items():
        np.testing.assert_array_equal(array, getattr(shadow, name), strict=True)
    assert shadow_of([SimpleNamespace(shadow=None, looked=True)]) is None


def test_a_damaged_file_is_named(tmp_path, shadow):
    path = save_shadow(tmp_path / "episode.npz", shadow)
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:200] + b"?" * 50 + whole[250:]):
        path.write_bytes(content)
        with pytest.raises(ShadowError, match=r"episode\.npz is truncated or no shadow .*; run the episode again"):
            load_shadow(path)


def test_a_missing_array_or_file_is_named(tmp_path, shadow):
    np.savez(tmp_path / "episode.npz", **{name: array for name, array in shadow._asdict().items() if name != "looked"})
    with pytest.raises(ShadowError, match=r"episode\.npz .*looked"):
        load_shadow(tmp_path / "episode.npz")
    with pytest.raises(FileNotFoundError, match="other"):
        load_shadow(tmp_path / "other.npz")
