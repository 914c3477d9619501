"""The registry of decoders."""

import pytest

from eval_bridge.policies.decoders import (
    DECODERS,
    LOSSLESS,
    Autoregressive,
    L1Regression,
    SpeculativeGreedy,
    check_decoder,
    make_decoder,
    stages_of_decoder,
)


def test_every_decoder_is_found_by_its_own_name():
    assert list(DECODERS.kinds) == [
        *("l1_regression", "two_step_regression", "autoregressive", "speculative_greedy"),
        *("fixed_point", "one_pass", "speculative_sampling", "certified", "cascade", "early_exit"),
    ]
    for name, kind in DECODERS.kinds.items():
        assert make_decoder(name) == kind()
        assert kind.name == name


def test_stages_are_those_whose_checkpoints_decide():
    assert stages_of_decoder("l1_regression") == ("policy",)
    assert stages_of_decoder("autoregressive") == ("rfsq", "policy", "main_head")
    assert stages_of_decoder("speculative_greedy") == ("rfsq", "policy", "draft", "main_head")


def test_unknown_names_and_settings_are_refused():
    with pytest.raises(ValueError, match=r"decoder='beam' is not a decoder; choose one of l1_regression, two_step"):
        check_decoder("beam")
    with pytest.raises(ValueError, match=r"'autoregressive' cannot be made of \{'width': 3\}"):
        make_decoder("autoregressive", width=3)


def test_decoders_are_values():
    assert SpeculativeGreedy() == SpeculativeGreedy()
    assert len({SpeculativeGreedy(), SpeculativeGreedy(), Autoregressive()}) == 2
    assert {each.name for each in LOSSLESS} == {"speculative_greedy", "fixed_point"}


def test_tokens_cannot_be_given_to_a_decoder_without_tokens():
    with pytest.raises(ValueError, match="given must be None: l1_regression"):
        L1Regression().decode(None, None, (), (), None, None)
