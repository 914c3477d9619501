import hashlib
import re

from eval_bridge.experts import version


def test_the_version_is_that_of_the_sources(tmp_path, monkeypatch):
    def digest() -> str:
        version.expert_version.cache_clear()
        return version.expert_version()

    real = digest()
    assert re.fullmatch("[0-9a-f]{12}", real)
    assert digest() == real

    (tmp_path / "skills").mkdir()
    (tmp_path / "goal.py").write_text("a = 1\n")
    (tmp_path / "skills" / "pick.py").write_text("b = 2\n")
    monkeypatch.setattr(version, "__file__", str(tmp_path / "version.py"))
    first = digest()
    assert first == hashlib.sha256(b"goal.py 6\na = 1\nskills/pick.py 6\nb = 2\n").hexdigest()[:12]
    (tmp_path / "skills" / "pick.py").write_text("b = 3\n")
    changed = digest()
    (tmp_path / "skills" / "pick.py").rename(tmp_path / "skills" / "place.py")
    renamed = digest()
    assert len({real, first, changed, renamed}) == 4
    (tmp_path / "notes.txt").write_text("not a source")
    assert digest() == renamed
    version.expert_version.cache_clear()
