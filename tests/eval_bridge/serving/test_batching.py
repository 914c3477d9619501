import asyncio
import threading
import time

import pytest

from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.serving.batching import Batcher, PolicyFailedError, TooLateError
from eval_bridge.serving.metrics import ServerMetrics
from tests.eval_bridge.serving.serving_examples import TellingPolicy, as_seen


def request(number=0.0, instruction="go"):
    seen = select_observation(as_seen(number, instruction), TellingPolicy.observation_needs)
    return PolicyRequest(seen, (1, 2))


def run(policy, work, deadline=20.0, batch_wait=0.0):
    async def serve():
        async with Batcher(policy, ServerMetrics(), deadline, batch_wait) as batcher:
            return await work(batcher)

    return asyncio.run(serve())


def first_number(answer):
    return answer.output.actions[0, 0]


def test_requests_that_wait_together_are_answered_by_one_call_each_its_own():
    policy = TellingPolicy()

    async def work(batcher):
        return await asyncio.gather(*(batcher.ask(row, request(10.0 + row)) for row in (2, 0, 3)))

    assert list(map(first_number, run(policy, work))) == [12, 10, 13]
    assert policy.batches == [[0, 2, 3]]


def test_of_requests_for_one_row_the_first_is_answered_first():
    policy = TellingPolicy()

    async def work(batcher):
        return await asyncio.gather(
            batcher.ask(1, request(5.0)), batcher.ask(1, request(6.0)), batcher.ask(0, request())
        )

    assert list(map(first_number, run(policy, work))) == [5, 6, 0]
    assert policy.batches == [[0, 1], [1]]


def test_a_call_waits_for_those_who_were_answered_just_now():
    """They ask again one after the other: without waiting, each gets a call of its own."""

    async def work(batcher, pause):
        await asyncio.gather(*(batcher.ask(row, request()) for row in range(3)))
        again = []
        for row in range(3):
            again.append(asyncio.create_task(batcher.ask(row, request())))
            await pause(again[-1])
        await asyncio.gather(*again)

    patient, impatient = TellingPolicy(), TellingPolicy()
    run(patient, lambda batcher: work(batcher, lambda _: asyncio.sleep(0.02)), batch_wait=5.0)
    run(impatient, lambda batcher: work(batcher, lambda asked: asyncio.wait([asked])))
    assert patient.batches == [[0, 1, 2], [0, 1, 2]]
    assert impatient.batches == [[0, 1, 2], [0], [1], [2]]


def test_nobody_waits_long_for_one_who_does_not_come_back():
    async def work(batcher):
        await asyncio.gather(batcher.ask(0, request()), batcher.ask(1, request()))
        began = time.monotonic()
        await batcher.ask(0, request())
        return time.monotonic() - began

    assert 0.1 < run(TellingPolicy(), work, batch_wait=0.2) < 15


def test_a_request_without_an_answer_is_given_up_and_left_out_of_the_next_call():
    gate = threading.Event()
    policy = TellingPolicy(gate=gate)

    async def work(batcher):
        await batcher.ask(0, request())
        stuck = asyncio.create_task(batcher.ask(0, request()))
        await asyncio.sleep(0.05)
        late = asyncio.create_task(batcher.ask(1, request()))
        with pytest.raises(TooLateError, match=r"within 1 s.*--config.limits.request_deadline"):
            await late
        with pytest.raises(TooLateError):
            await stuck
        gate.set()
        return await batcher.ask(2, request(3.0))

    assert first_number(run(policy, work, deadline=1.0)) == 3
    assert policy.batches == [[0], [0], [2]]


def test_nobody_is_counted_as_waiting_who_has_given_up():
    gate, metrics = threading.Event(), ServerMetrics()

    async def serve():
        async with Batcher(TellingPolicy(gate=gate), metrics, 0.5, 0.0) as batcher:
            await batcher.ask(0, request())
            stuck = asyncio.create_task(batcher.ask(0, request()))
            await asyncio.sleep(0.05)
            late = [asyncio.create_task(batcher.ask(row, request())) for row in (1, 2)]
            await asyncio.sleep(0.05)
            before = metrics.text()
            await asyncio.wait([stuck, *late])
            after = metrics.text()
            gate.set()
            return before, after

    before, after = asyncio.run(serve())
    assert "rsd_serve_waiting 2.0" in before
    assert "rsd_serve_waiting 0.0" in after


def test_who_makes_the_policy_fail_fails_alone(caplog):
    policy = TellingPolicy()

    async def work(batcher):
        asked = [
            batcher.ask(0, request(1.0)),
            batcher.ask(1, request(instruction="fail")),
            batcher.ask(2, request(2.0)),
        ]
        first, failed, last = await asyncio.gather(*asked, return_exceptions=True)
        after = await batcher.ask(1, request(4.0))
        return first, failed, last, after

    first, failed, last, after = run(policy, work)
    assert list(map(first_number, (first, last, after))) == [1, 2, 4]
    assert isinstance(failed, PolicyFailedError)
    assert "secret" not in str(failed)
    assert "secret" in caplog.text


def test_an_answer_that_is_missing_fails_its_request_and_no_later_one():
    class ForgetfulPolicy(TellingPolicy):
        def act_batch(self, requests):
            answers = super().act_batch(requests)
            return {row: answers[row] for row in answers if row != 1}

    async def work(batcher):
        with pytest.raises(PolicyFailedError):
            await batcher.ask(1, request())
        return await batcher.ask(0, request(3.0))

    assert first_number(run(ForgetfulPolicy(), work, deadline=2.0)) == 3
