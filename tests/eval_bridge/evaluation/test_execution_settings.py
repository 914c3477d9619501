import pytest

from eval_bridge.episodes.execution.blocking import BLOCKING
from eval_bridge.episodes.execution.delayed import Asynchronous, Hold, RealTimeChunking
from eval_bridge.evaluation.delays import MeasuredDelay
from eval_bridge.evaluation.execution_settings import EXECUTIONS, ExecutionSettings
from eval_bridge.policies.decoders import make_decoder

GREEDY = make_decoder("fixed_point")


def test_executions_by_name():
    assert EXECUTIONS == ("blocking", "hold", "async", "rtc")
    assert ExecutionSettings().made is BLOCKING
    assert ExecutionSettings().read_delay() is None
    assert ExecutionSettings("hold", "3").made == Hold()
    assert ExecutionSettings("async", "3", actions_left=2).made == Asynchronous(2)
    chunking = ExecutionSettings("rtc", "measured", actions_left=5)
    assert (chunking.made, chunking.read_delay()) == (RealTimeChunking(5), MeasuredDelay())


def test_identities_tell_what_matters_and_nothing_where_no_time_passes():
    assert ExecutionSettings(actions_left=3).identity == {}
    assert ExecutionSettings("hold", "0", actions_left=3).identity == {"execution": "hold", "delay": 0}
    assert ExecutionSettings("async", "2", coarse_layers=1).identity == {
        "execution": "async",
        "delay": 2,
        "actions_left": 4,
    }
    told = ExecutionSettings("rtc", "openvla_oft_a100").identity
    assert len(told.pop("delay_digest")) == 16
    assert told == {"execution": "rtc", "delay": "openvla_oft_a100", "actions_left": 4, "coarse_layers": 3}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"execution": "realtime"}, "execution='realtime' does not exist; choose one of blocking, hold, async, rtc"),
        ({"execution": "hold"}, "execution=hold needs a delay: measured, a number of control steps, or a latency"),
        ({"delay": "3"}, "delay='3' means nothing to execution=blocking"),
        ({"execution": "async", "delay": "3", "actions_left": -1}, "actions_left=-1"),
        ({"execution": "rtc", "delay": "3", "coarse_layers": -1}, "coarse_layers=-1"),
        ({"execution": "hold", "delay": "soon"}, "delay='soon' must be measured"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ExecutionSettings(**values)


def test_what_cannot_act_so_is_refused():
    for name in ("cascade", "early_exit"):
        ExecutionSettings("hold", "3").check(make_decoder(name), parts=2)
        with pytest.raises(ValueError, match=f"decoder={name} compares chunks that are executed whole"):
            ExecutionSettings("async", "3").check(make_decoder(name), parts=1)
    with pytest.raises(ValueError, match="l1_regression takes none"):
        ExecutionSettings("rtc", "3").check(make_decoder("l1_regression"), parts=1)
    ExecutionSettings("async", "3").check(make_decoder("l1_regression"), parts=1)
    ExecutionSettings("hold", "measured").check(GREEDY, parts=1)
    with pytest.raises(ValueError, match="delay=measured is of one host"):
        ExecutionSettings("hold", "measured").check(GREEDY, parts=2)
