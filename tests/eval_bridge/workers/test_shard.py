import pytest

from eval_bridge.workers.shard import WHOLE, Shard


def test_parts_are_neighbours_and_together_everything():
    assert [list(Shard(part, 3).of("abcdefg")) for part in range(3)] == [["a", "b"], ["c", "d"], ["e", "f", "g"]]
    assert [len(Shard(part, 4).of((1, 2, 3))) for part in range(4)] == [0, 1, 1, 1]
    assert WHOLE.of([1, 2]) == [1, 2]


def test_shards_are_read_from_text():
    assert Shard.parse("1/4") == Shard(1, 4)
    for text in ("4/4", "1", "a/b", "-1/4"):
        with pytest.raises(ValueError, match="shard="):
            Shard.parse(text)
