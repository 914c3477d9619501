"""The campaign itself, without SLURM, and that it can fail."""

import pytest

from tests.campaigns import slurm, slurm_work
from tests.campaigns.slurm_cluster import slurm_cluster
from tests.campaigns.slurm_work import Difference, wait_for


def test_other_bits_are_a_fault_and_the_others_go_on(tmp_path, monkeypatch):
    def differs(folder):
        slurm_work._require_equal("training", {"a": b"1", "b": b"2"}, {"a": b"1", "b": b"3"})

    monkeypatch.setattr(slurm, "WORKS", {"one": differs, "two": lambda folder: {"same_bits": True}})
    noted = {}
    faults = slurm.campaign(["one", "two"], tmp_path, noted.__setitem__)
    assert faults == ["one: training: other bits than locally ['b']"]
    assert noted == {"two": {"same_bits": True, "seconds": 0}}


@pytest.mark.parametrize(("states", "ends_well"), [("COMPLETED", True), ("COMPLETED FAILED", False)])
def test_every_part_of_an_array_must_have_ended_well(tmp_path, monkeypatch, states, ends_well):
    told = "".join(f"JobState={state} Reason=None\nRestarts=1\n" for state in states.split())
    answers = {"squeue": "", "scontrol": told}
    monkeypatch.setattr(slurm_work, "_told", lambda command, *_: answers[command])
    if ends_well:
        assert wait_for({"evaluate": "7"}, tmp_path) == {"evaluate": 1}
        return
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "evaluate-7_1.log").write_text("disk full")
    with pytest.raises(Difference, match=r"job evaluate ended as .*FAILED.*: disk full"):
        wait_for({"evaluate": "7"}, tmp_path)


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"slurmctld, .* not found: apt-get"), slurm_cluster(tmp_path / "cluster"):
        pass
    assert not (tmp_path / "cluster").exists()
