"""The policy of a run as another run's, as after fine-tuning."""

import shutil

import pytest

from launch.convert_openvla import main
from rsd_jax.checkpoints.manifest import verify
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.openvla.random_policy import write_random_policy
from rsd_jax.stored_models.openvla.shared_policy import share_policy


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("source")
    write_random_policy("tiny", run_dir, heldout_every=3)
    return run_dir


def test_it_is_the_same_policy_and_says_in_red_that_its_weights_are_random(source, tmp_path, capsys, caplog):
    main(["--policy", str(source), "--out", str(tmp_path / "run"), "--exit_block", "1"])
    assert "\x1b[31mrandom weights: nothing was trained" in capsys.readouterr().out
    before = load_policy(source, with_backbone=False)
    caplog.clear()
    found = load_policy(tmp_path / "run", with_backbone=False)
    assert [record.getMessage()[:5] for record in caplog.records] == ["\x1b[31m"]
    assert (found.params_hash, found.heldout_every, found.has_random_weights) == (before.params_hash, 3, True)
    assert (before.backbone.exit_block, found.backbone.exit_block) == (None, 1)
    assert found.backbone.encode_instruction("open the drawer").size == 48
    with pytest.raises(FileExistsError, match="has a policy; name another folder"):
        main(["--policy", str(source), "--out", str(tmp_path / "run")])


def test_its_files_stay_when_those_that_it_was_taken_from_go_and_no_bytes_are_copied(source, tmp_path):
    first = shutil.copytree(source, tmp_path / "first")
    folder = share_policy(first, tmp_path / "second")
    files = (path for path in (first / "policy").rglob("*") if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    assert (tmp_path / "second" / largest.relative_to(first)).samefile(largest)
    assert not (folder / "metadata.json").samefile(first / "policy/best/00000000/metadata.json")
    shutil.rmtree(first)
    verify(folder)


def test_what_is_no_policy_of_openvla_is_refused(source, tmp_path):
    with pytest.raises(
        ValueError, match=rf"has no policy to take; .*launch.export_finetuned --run_dir RUN --out {tmp_path}"
    ):
        share_policy(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match=r"has the backbone CompactBackbone; it must be OpenVLA's"):
        share_policy(PRETRAINED, tmp_path / "out")
    with pytest.raises(ValueError, match="exit_block is 99; it must be from 1 to depth"):
        share_policy(source, tmp_path / "out", exit_block=99)
    assert not (tmp_path / "out").exists()
