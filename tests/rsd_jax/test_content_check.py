import json

import pytest

from rsd_jax.content_check import (
    AlteredContentError,
    DamagedJsonError,
    read_checked_json,
    with_check,
    without_check,
    write_checked_json,
)

CONTENT = {
    "kind": "episode",
    "success": True,
    "steps": 68,
    "mean": [0.1, -2.5e-7],
    "task": "a \u2028",
    "none": None,
}


def test_content_comes_back_from_json_without_its_check():
    line = json.dumps(with_check(CONTENT))
    assert list(json.loads(line)) == [*CONTENT, "check"]
    assert without_check(json.loads(line)) == CONTENT
    assert without_check(CONTENT) == CONTENT  # of an earlier version


@pytest.mark.parametrize(
    "change", [{"success": False}, {"steps": 69}, {"mean": [0.1, -2.5e-6]}, {"new": 1}, {"check": 7}]
)
def test_other_content_is_refused(change):
    with pytest.raises(AlteredContentError, match="it has been altered"):
        without_check({**with_check(CONTENT), **change})


def test_no_byte_of_a_file_changes_without_being_noticed(tmp_path):
    path = tmp_path / "summary.json"
    write_checked_json(path, {"successes": 17, "rate": 0.25, "name": "a"})
    whole = path.read_bytes()
    for place, byte in enumerate(whole):
        path.write_bytes(whole[:place] + bytes([byte ^ 1 << place % 8]) + whole[place + 1 :])
        if path.read_text(errors="replace").split() != whole.decode().split():  # another blank changes nothing
            with pytest.raises(DamagedJsonError, match=r"summary.json is damaged"):
                read_checked_json(path)
    path.write_text("[]")
    with pytest.raises(DamagedJsonError, match=r"summary.json is damaged: it holds a list in place of an object"):
        read_checked_json(path)


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(CONTENT))
    assert read_checked_json(tmp_path / "a.json") == CONTENT
