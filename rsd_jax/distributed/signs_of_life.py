"""Processes of a run that watch each other: who has died, stopped or got stuck is named, and the others end.

Each tells the others of itself every few seconds, by a thread, through the store of names that JAX's processes share.
XLA's compiler and the devices' computations let other threads of Python run, so that a long compilation is not silent.
JAX watches them too, but names nobody if the first one is lost (`last_words`), and takes for alive whose threads run.
"""

import faulthandler
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Protocol

from rsd_jax.distributed.last_words import LastWords
from rsd_jax.distributed.watch import DONE, FAILED, LIVING, STUCK, Idleness, Sign, Watch

PEER_LOST = 75
"""Exit status of a process that ends because another one is lost: sysexits.h's "try again later"."""

SECONDS_UNTIL_LOST = 10.0
"""Until a process without a sign of life is given up, if nothing else is asked for: named in less than 15 seconds."""

SECONDS_UNTIL_STUCK = 60.0
"""Until one is given up that gives signs, but computes nothing in its steps while others wait: a disk may be slow.

Also until the first sign: devices may take long to start."""

_KEY = "rsd_jax/signs_of_life/"
_SIGNS_A_LIMIT = 8


class Store(Protocol):
    """Names and texts that all processes share: what JAX's client has of it."""

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = ...) -> None:
        """Gives a name its text."""
        ...

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        """All names that begin so, with their texts."""
        ...


class SignsOfLife:
    """The thread by which one process tells of itself and watches the others (`Watch`)."""

    def __init__(
        self,
        store: Store,
        process: int,
        count: int,
        limit: float,
        stuck_limit: float,
        end: Callable[[str], None] | None = None,
        interval: float | None = None,
        last_words: LastWords | None = None,
    ) -> None:
        """Begins to tell and to watch.

        Args:
            store: shared by all.
            process: which one this is, of `count`.
            limit: seconds without a sign after which a process is lost.
            stuck_limit: seconds after which one is stuck that others wait for.
            end: ends this process, given the reason; by default with `PEER_LOST`.
            interval: seconds between two signs; by default several fit into `limit`.
            last_words: what this process leaves if it is aborted for the loss of process 0.
        """
        self._store, self._process, self._count = store, process, count
        self._limit, self._stuck_limit = limit, stuck_limit
        self._end = end or self._end_process
        self._interval = min(5.0, limit / _SIGNS_A_LIMIT) if interval is None else interval
        self._waits_since: float | None = None
        self._takes_steps = False
        self._number = 0
        self._telling = threading.Lock()
        self._watch = Watch(process, count, limit, stuck_limit)
        self._idleness = Idleness(time.process_time(), time.monotonic())
        self._last_words = last_words
        self._is_leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signs of life", daemon=True)
        self._thread.start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A block in which the main thread may wait for the others."""
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self._waits_since = None
            self._idleness.end()

    @contextmanager
    def taking_steps(self) -> Iterator[None]:
        """A block in which a main thread that neither computes nor waits for others is stuck."""
        self._takes_steps = True
        self._idleness.end()
        try:
            yield
        finally:
            self._takes_steps = False

    def say_goodbye(self, error: BaseException | None = None) -> None:
        """Tells the others that this process leaves, and why, and stops watching them.

        After an error the last words stay: who fails for the loss of process 0 is aborted by JAX soon after, perhaps
        before it has found out whom it has lost. `dismiss_last_words` takes them back.
        """
        if not self._is_leaving.is_set():
            self._is_leaving.set()
            message = "" if error is None else f"{type(error).__name__}: {error}"
            with suppress(RuntimeError):  # nobody holds the names any more
                self._tell(DONE if error is None else FAILED, message)
            if self._last_words is not None and error is not None:
                self._last_words.fail(error)
            else:
                self.dismiss_last_words()

    def dismiss_last_words(self) -> None:
        """Nothing more has to be said of this process by others, however it ends."""
        if self._last_words is not None:
            self._last_words.leave()

    def wait_for_others(self, seconds: float) -> dict[int, str] | None:
        """Waits for the others to say goodbye too.

        Returns:
            ``None`` if all have within `seconds`; else those that have not given any other sign in that time either,
            which may be none of them: process -> how it is called.
        """
        before: dict[int, Sign] | None = None
        until = time.monotonic() + seconds
        while True:
            try:
                signs = self._read()
            except RuntimeError:
                return {0: self._watch.name(0)}  # it held the names
            if sum(sign.has_left for sign in signs.values()) == self._count:
                return None
            before = before or signs
            if time.monotonic() > until:
                break
            time.sleep(self._interval / 10)
        left = {process for process, sign in signs.items() if sign.has_left}
        silent = [number for number in range(self._count) if signs.get(number) == before.get(number)]
        return {number: str(signs.get(number) or self._watch.name(number)) for number in silent if number not in left}

    def _run(self) -> None:
        began, pause = time.monotonic(), 0.0
        with ThreadPoolExecutor(1, "shared names") as rpc:
            asked: Future[dict[int, Sign]] | None = None
            while not self._is_leaving.wait(pause):
                pause = self._interval
                now = time.monotonic()
                self._idleness.update(time.process_time(), now, self._waits_since is not None)
                if asked is None or asked.done():
                    if asked is not None and asked.exception() is None:
                        began = now
                        if reason := self._watch.judge(asked.result(), now):
                            self._end(reason)
                            return
                    asked = rpc.submit(self._exchange)
                # Process 0 holds the names: without it nothing is told of anybody.
                if now - began > self._limit and self._process != 0:
                    name = self._watch.name(0)
                    self._end(f"{name}, with whom all others speak, has not answered for {self._limit:g} s")
                    return

    def _exchange(self) -> dict[int, Sign]:
        is_stuck = self._takes_steps and self._idleness.seconds(time.monotonic()) > self._stuck_limit
        self._tell(STUCK if is_stuck else LIVING)
        signs = self._read()
        if self._last_words is not None and 0 in signs:
            self._last_words.name(str(signs[0]))
        return signs

    def _tell(self, state: str, message: str = "") -> None:
        with self._telling:
            if self._is_leaving.is_set() and state in (LIVING, STUCK):
                return  # a sign behind the goodbye would look like life that ends
            self._number += 1
            waits_since = self._waits_since
            waits = 0.0 if waits_since is None else time.monotonic() - waits_since
            sign = Sign(self._process, socket.gethostname(), os.getpid(), state, waits, self._number, message)
            self._store.key_value_set(f"{_KEY}{self._process}", json.dumps(sign), allow_overwrite=True)

    def _read(self) -> dict[int, Sign]:
        signs = [Sign(*json.loads(text)) for _, text in self._store.key_value_dir_get(_KEY)]
        return {sign.process: sign for sign in signs}

    def _end_process(self, reason: str) -> None:
        """At once: the main thread may wait for ever, and what JAX does at the exit of a process waits for others."""
        self._is_leaving.set()
        self.dismiss_last_words()
        sys.stderr.write(
            f"error: {reason}; this process ends, as all others do: the same command goes on from the latest "
            "checkpoint\n"
        )
        sys.stderr.flush()
        if reason.startswith(f"process {self._process} "):
            faulthandler.dump_traceback(sys.stderr)
        os._exit(PEER_LOST)
