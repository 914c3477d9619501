"""Settings that act alike are the same, however they are written."""

from pathlib import Path

from eval_bridge.policies.acting_settings import acting_settings, longest_run_of, rule_name
from eval_bridge.policies.decoders import read_decoder

NOWHERE = Path("nowhere")
"""No checkpoint is read where the settings leave nothing to it."""


def acts(settings: str, name: str = "cascade"):
    return acting_settings(read_decoder(name, settings), NOWHERE)


def test_what_a_rule_does_not_ask_about_does_not_count():
    one = acts("rule=confidence threshold=0.25 longest_run=7")
    assert one == acts("rule=confidence threshold=.25 tolerance=0.9 coarse_layers=1 longest_run=7 shadow=true")
    assert one != acts("rule=confidence threshold=0.26 longest_run=7")
    assert one != acts("rule=confidence threshold=0.25 longest_run=6")
    both = acts("rule=both threshold=0.25 longest_run=7")
    assert both == acts("rule=both threshold=0.25 tolerance=0.2 longest_run=7")
    assert both != acts("rule=both threshold=0.25 coarse_layers=2 longest_run=7")
    agreement = acts("longest_run=3")
    assert agreement == acts("threshold=0.7 longest_run=3")
    assert agreement != acts("longest_run=3", "early_exit")


def test_what_is_written_means_the_same():
    for settings in ("longest_run=3", "rule=confidence longest_run=7", "rule=both tolerance=0.0317 longest_run=0"):
        assert acts(acts(settings).written) == acts(settings)
    assert (
        acts("longest_run=3 coarse_layers=2").written == "rule=agreement tolerance=0.2 coarse_layers=2 longest_run=3"
    )
    assert acts("longest_run=1", "early_exit").decoder == "early_exit"


def test_an_early_exit_is_compared_under_its_own_name():
    assert rule_name(read_decoder("cascade", "rule=both")) == "both"
    assert rule_name(read_decoder("early_exit")) == "early_exit"


def test_the_longest_run_is_the_checkpoints_where_none_is_given(preflight_run):
    # In miniature the draft policy remembers a look for 2 calls, and the main policy foresees 2 chunks.
    assert longest_run_of(read_decoder("cascade"), preflight_run) == 2
    assert longest_run_of(read_decoder("early_exit"), preflight_run) == 1
