"""Requests of many clients, answered by one policy in calls of one shape.

A call takes at most one request for each row of the policy's batch, and a client's requests always go to the same row:
sums may come out otherwise at another place of a batch. While a call runs, others gather for the next one.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from eval_bridge.policies.interface import Policy, PolicyAnswer, PolicyRequest
from eval_bridge.serving.metrics import ServerMetrics

_LOGGER = logging.getLogger(__name__)


class TooLateError(TimeoutError):
    """A request got no answer within its deadline."""


class PolicyFailedError(RuntimeError):
    """The policy raised over a request that looked right: the server's fault, told in its log."""


class ServedPolicy(Policy, Protocol):
    """A policy that can tell a client's mistake before it is asked."""

    def check_instruction(self, instruction: str) -> None:
        """Raises ValueError where the policy cannot take an instruction."""
        ...


class _Waiting(NamedTuple):
    row: int
    request: PolicyRequest
    answer: asyncio.Future[PolicyAnswer]


class Batcher:
    """Asks a policy for several clients at once. An asynchronous context manager: open, it works."""

    def __init__(self, policy: Policy, metrics: ServerMetrics, deadline: float, batch_wait: float) -> None:
        """Asks nothing yet.

        Args:
            policy: called in a thread of its own, by one call at a time.
            metrics: told of every call.
            deadline: seconds within which a request is answered, or given up.
            batch_wait: seconds that a call waits at most for clients whom the last call answered just now: without,
                the first of them to ask again would get a call for itself, and all others the next.
        """
        self._policy, self._metrics = policy, metrics
        self._deadline, self._batch_wait = deadline, batch_wait
        self._queue: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._answered: dict[int, float] = {}  # row -> when it was answered last

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, "policy")
        self._work = asyncio.create_task(self._answer_calls())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.cancel()
        await asyncio.wait([self._work])
        self._thread.shutdown()

    async def ask(self, row: int, request: PolicyRequest) -> PolicyAnswer:
        """The policy's answer to a request for a row.

        How many wait is bounded by the number of clients, of whom each asks one thing at a time.

        Raises:
            TooLateError: there was none within the deadline.
            PolicyFailedError: the policy raised.
        """
        waiting = _Waiting(row, request, asyncio.get_running_loop().create_future())
        self._keep([*self._queue, waiting])
        self._arrived.set()
        try:
            async with asyncio.timeout(self._deadline):
                return await waiting.answer
        except TimeoutError:
            raise TooLateError(
                f"no answer within {self._deadline:g} s: the policy has more clients than it can serve; ask less "
                "often, or start the server with a longer --config.limits.request_deadline"
            ) from None
        finally:
            waiting.answer.cancel()  # nobody waits any more: what is not in a call yet is left out of the next
            self._keep([other for other in self._queue if other is not waiting])

    def _keep(self, queue: list[_Waiting]) -> None:
        self._queue = queue
        self._metrics.waiting.set(len(queue))

    async def _answer_calls(self) -> None:
        while True:
            self._arrived.clear()
            chosen = self._choose()
            if not chosen:
                await self._arrived.wait()
                continue
            await self._wait_for_others(chosen)
            chosen = self._choose()
            if chosen:
                await self._call(chosen)

    def _choose(self) -> dict[int, _Waiting]:
        """The longest waiting request of each row; what nobody waits for any more is dropped."""
        self._keep([waiting for waiting in self._queue if not waiting.answer.done()])
        chosen: dict[int, _Waiting] = {}
        for waiting in self._queue:
            chosen.setdefault(waiting.row, waiting)
        return chosen

    async def _wait_for_others(self, chosen: Mapping[int, _Waiting]) -> None:
        """Until those have come back who were answered less than `batch_wait` ago, or that time is over."""
        while True:
            now = time.monotonic()
            expected = [at for row, at in self._answered.items() if row not in chosen and now < at + self._batch_wait]
            if not expected:
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout(max(expected) + self._batch_wait - now):
                    await self._arrived.wait()
            except TimeoutError:
                return
            chosen = self._choose()

    async def _call(self, chosen: Mapping[int, _Waiting]) -> None:
        self._keep([waiting for waiting in self._queue if waiting is not chosen.get(waiting.row)])
        requests = {row: waiting.request for row, waiting in chosen.items()}
        loop, began = asyncio.get_running_loop(), time.monotonic()
        answers = await loop.run_in_executor(self._thread, self._ask_policy, requests)
        ended = time.monotonic()
        self._metrics.call_seconds.observe(ended - began)
        self._metrics.call_rows.observe(len(chosen))
        for row, waiting in chosen.items():
            self._answered[row] = ended
            answer = answers[row]
            if waiting.answer.done():
                continue
            if isinstance(answer, PolicyAnswer):
                waiting.answer.set_result(answer)
            else:
                waiting.answer.set_exception(answer)

    def _ask_policy(self, requests: Mapping[int, PolicyRequest]) -> Mapping[int, PolicyAnswer | PolicyFailedError]:
        """Answers by row. Where a call fails, each request is tried by itself: one client's must not fail others'."""
        try:
            answers = self._policy.act_batch(requests)
            return {row: answers[row] for row in requests}
        except Exception as error:
            _LOGGER.exception("the policy failed on the rows %s", sorted(requests))
            if len(requests) > 1:
                return {row: self._ask_policy({row: request})[row] for row, request in requests.items()}
            (row,) = requests
            failed = PolicyFailedError("the policy failed on this request; the server's log tells why")
            failed.__cause__ = error
            return {row: failed}
