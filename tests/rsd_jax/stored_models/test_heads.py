import json
import shutil

import pytest

from rsd_jax.checkpoints import CheckpointError, StageCheckpoints, TokenizerMismatchError
from rsd_jax.checkpoints.manifest import read_manifest, write_manifest
from rsd_jax.heads.draft_model import DraftConfig
from rsd_jax.heads.main_head import MainHeadConfig
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.stored_models import load_draft, load_policy
from rsd_jax.stored_models.head_facts import HeadFacts
from rsd_jax.stored_models.policy import PolicyMismatchError


def stored_facts(name: str) -> dict:
    metadata = StageCheckpoints(PRETRAINED / name).read_metadata("best")
    assert metadata is not None
    return metadata.facts


@pytest.mark.parametrize(("name", "sizes"), [("draft", DraftConfig), ("main_head", MainHeadConfig)])
def test_facts_are_read_and_written_as_they_are_stored(name, sizes):
    content = stored_facts(name)
    facts = HeadFacts.from_json(content, sizes)
    assert type(facts.model) is sizes
    assert json.dumps(facts.to_json()) == json.dumps(content)


def test_facts_of_an_earlier_version_are_read():
    given = stored_facts("draft")
    content = {name: given[name] for name in ("tokenizer_hash", "policy_hash", "layout", "model")}
    facts = HeadFacts.from_json(content, DraftConfig)
    assert (facts.tokenizer_hash, facts.normalizer, facts.labels) == (content["tokenizer_hash"], None, None)


def test_a_head_of_another_tokenizer_or_policy_is_refused_by_name_and_with_the_fix(preflight_run, tmp_path):
    shutil.copytree(preflight_run / "draft", tmp_path / "draft")
    policy = load_policy(preflight_run)
    with pytest.raises(
        TokenizerMismatchError, match=r"'draft' was trained with tokenizer .* is def; .*configs/draft.py"
    ):
        load_draft(tmp_path, "def", policy)
    (folder,) = (tmp_path / "draft" / "best").iterdir()
    content = read_manifest(folder)
    content["facts"]["policy_hash"] = "abc"
    write_manifest(folder, content)
    with pytest.raises(PolicyMismatchError, match=r"features of policy abc, but .*configs/draft.py"):
        load_draft(tmp_path, content["facts"]["tokenizer_hash"], policy)
    del content["facts"]["model"]
    write_manifest(folder, content)
    with pytest.raises(
        CheckpointError, match=r"'draft' has a network that this version does not know \(KeyError.*move"
    ):
        load_draft(tmp_path, content["facts"]["tokenizer_hash"], policy)
