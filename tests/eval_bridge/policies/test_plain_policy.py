import re
import sys
from pathlib import Path

import numpy as np
import pytest

from eval_bridge.observations import Observation
from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import blank_observation
from eval_bridge.policies.plain_policy import PlainPolicyAdapter, load_installed_policy

DOCUMENT = Path(__file__).parents[3] / "docs/serving.md"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package of one module that names a policy."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(package, name, value, code):
        information = tmp_path / f"{package}-1.2.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (information / "entry_points.txt").write_text(f"[rsd_jax.policies]\n{name} = {value}\n")
        (tmp_path / f"{package}.py").write_text(code)

    yield install
    for name in ("others", "elsewhere", "my_package"):
        sys.modules.pop(name, None)


class Counting:
    """Tells how often the episode has asked, and what it saw."""

    def act(self, observation, state):
        count = 0 if state is None else state
        return [[count, observation.proprio[7], observation.wrist[0, 0, 0], 0, 0, 0, 1]], count + 1


def test_a_plain_policy_is_asked_with_the_state_of_its_episode():
    policy = PlainPolicyAdapter(Counting(), "counting")
    seen = blank_observation(policy.observation_needs, "go")._replace(proprio=np.arange(8, dtype=np.float32))
    first = policy.act_batch({0: PolicyRequest(seen, (1, 2))})[0]
    second = policy.act_batch({0: PolicyRequest(seen, (1, 2), 1, first.state)})[0]
    assert first.output.actions.tolist() == [[0, 7, 0, 0, 0, 0, 1]]
    assert second.output.actions[0, 0] == 1
    assert (policy.decoder, policy.batch_size, first.output.rounds) == ("counting", 1, 0)


PLAIN = """
class Mine:
    def act(self, observation, state):
        return [], None
"""

WHOLE = """
class Whole:
    act_batch = None


def nothing():
    return {}
"""


def test_a_policy_is_found_by_the_entry_point_of_its_package(install):
    install("others", "mine", "others:Mine", PLAIN)
    installed = load_installed_policy("mine")
    assert installed.package == "others 1.2"
    assert installed.policy.decoder == "mine"


def test_a_whole_policy_is_taken_as_it_is(install):
    install("others", "whole", "others:Whole", WHOLE)
    assert type(load_installed_policy("whole").policy).__name__ == "Whole"


def test_what_is_not_installed_not_clear_or_no_policy_is_named(install):
    install("others", "mine", "others:nothing", WHOLE)
    install("elsewhere", "gone", "elsewhere:Gone", "")
    install("my_package", "gone_too", "not_there:Gone", "")
    for name, said in (
        ("yours", r"policy='yours' is neither an address .* rsd_jax\.policies: gone, gone_too, mine"),
        ("mine", r"others:nothing gives a dict, which has neither act\(observation, state\)"),
        ("gone", r"elsewhere 1\.2 names elsewhere:Gone, and module 'elsewhere' has no attribute"),
        ("gone_too", r"No module named 'not_there'"),
    ):
        with pytest.raises(ValueError, match=said):
            load_installed_policy(name)


def test_two_packages_that_name_a_policy_alike_are_named(install):
    install("others", "mine", "others:Mine", PLAIN)
    install("elsewhere", "mine", "elsewhere:Mine", PLAIN)
    with pytest.raises(ValueError, match=r"named by several packages: .*elsewhere 1\.2"):
        load_installed_policy("mine")


def test_the_example_of_the_documentation_works(install):
    """Ten lines at most."""
    code = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL).group(1)
    assert len(code.strip().splitlines()) <= 10
    install("my_package", "mine", "my_package:MyPolicy", code)
    policy = load_installed_policy("mine").policy
    black = np.zeros((256, 256, 3), np.uint8)
    observation = Observation(black, black, np.zeros(8, np.float32), "go")
    (timed,) = policy.stage_functions(observation).values()
    actions = np.asarray(timed())
    assert actions.shape[1] == 7
    assert np.isfinite(actions).all()
