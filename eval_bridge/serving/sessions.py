"""What a server remembers of a client: its row of the policy's batch, and the state of the episode that it is in."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eval_bridge.policies.interface import PolicyOutput, PolicyRequest
from eval_bridge.policies.observation_needs import PolicyObservation
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.serving.array_messages import MessageError
from eval_bridge.serving.batching import Batcher, ServedPolicy
from eval_bridge.serving.decoding_details import EpisodeStartWords


class Session:
    """One client. Nothing of it is another's, and it ends with its connection."""

    def __init__(self, sessions: "Sessions", number: int, row: int) -> None:
        """The client of that number; `row` answers it."""
        self._sessions, self._number, self.row = sessions, number, row
        self._episodes = 0
        self.begin()

    def begin(self, words: EpisodeStartWords = EpisodeStartWords()) -> None:  # noqa: B008 - a constant
        """An episode begins: with a fresh state, and random numbers of its own."""
        self._key = words.key or episode_key(self._sessions.seed, self._number, self._episodes)
        if words.row is not None:
            self._sessions.move(self, words.row)
        self._call, self._state, self._episodes = 0, None, self._episodes + 1

    def forget(self) -> None:
        """Whatever comes next, nothing of the last look carries over; random numbers go on."""
        self._state = None

    async def act(self, observation: PolicyObservation) -> PolicyOutput:
        """The next chunk of the episode.

        Raises:
            MessageError: the policy cannot take the instruction.
            TooLateError, PolicyFailedError: see `Batcher.ask`.
        """
        try:
            self._sessions.policy.check_instruction(observation.instruction)
        except ValueError as error:
            raise MessageError(str(error)) from error
        request = PolicyRequest(observation, self._key, self._call, self._state)
        answer = await self._sessions.batcher.ask(self.row, request)
        self._call, self._state = self._call + 1, answer.state
        return answer.output


class Sessions:
    """The clients of a server."""

    def __init__(self, policy: ServedPolicy, batcher: Batcher, seed: int) -> None:
        """Nobody is there yet; `seed` is that of clients' random numbers, for decoders that draw."""
        self.policy, self.batcher, self.seed = policy, batcher, seed
        self._count = 0
        self._clients_of: Counter[int] = Counter(dict.fromkeys(range(policy.batch_size), 0))

    @contextmanager
    def open(self) -> Iterator[Session]:
        """A client's session, on the row with the fewest clients."""
        row: Any = min(self._clients_of, key=lambda each: self._clients_of[each])
        session = Session(self, self._count, row)
        self._count += 1
        self._clients_of[session.row] += 1
        try:
            yield session
        finally:
            self._clients_of[session.row] -= 1

    def move(self, session: Session, row: int) -> None:
        """Another row answers the client from now on."""
        self._clients_of[session.row] -= 1
        self._clients_of[row] += 1
        session.row = row
