from pathlib import Path

import pytest

from eval_bridge.runs.shared_demos import has_all_demos, share_demos

SUITE = ("libero_spatial",)


def complete_collection(run_dir: Path) -> Path:
    suite = run_dir / "demos" / "libero_spatial"
    suite.mkdir(parents=True)
    (suite / "collection.json").touch()
    return run_dir


def test_shared_demonstrations_make_the_collection_finished(tmp_path):
    first, second = complete_collection(tmp_path / "first"), tmp_path / "second"
    share_demos(second, str(first), SUITE)
    share_demos(second, str(first), SUITE)  # the same command again
    assert (second / "demos" / "libero_spatial").is_symlink()
    assert has_all_demos(second / "demos" / "libero_spatial")
    tmp_path.rename(tmp_path.with_name("moved"))
    assert (tmp_path.with_name("moved") / "second" / "demos" / "libero_spatial" / "collection.json").exists()


def test_demonstrations_that_cannot_be_shared_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"first/demos/libero_spatial holds no complete collection.*--config.until_stage=collect"
    ):
        share_demos(tmp_path / "second", str(tmp_path / "first"), SUITE)
    first, own = complete_collection(tmp_path / "first"), complete_collection(tmp_path / "own")
    with pytest.raises(ValueError, match="own/demos/libero_spatial holds other demonstrations"):
        share_demos(own, str(first), SUITE)
    assert not (own / "demos" / "libero_spatial").is_symlink()


def test_corrections_of_another_run_are_not_taken_over(tmp_path):
    first, second = complete_collection(tmp_path / "first"), tmp_path / "second"
    (first / "demos" / "libero_spatial_corrections").mkdir()
    share_demos(second, str(first), SUITE)
    assert [path.name for path in (second / "demos").iterdir()] == ["libero_spatial"]
