"""Program of a worker: ``python -m eval_bridge.workers.process OWNER FILE_DESCRIPTOR``, started by `WorkerPool`."""

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from eval_bridge.workers.messages import Event, Failure, Handler, Question, Result
from rsd_jax.worker_process import end_with


class _OwnerGone(Exception):
    """Nobody would read what this worker finds."""


def serve(connection: Connection) -> None:
    """Runs jobs from `connection` until its other end closes.

    The first message is the pickled factory of the handler. An exception of a job is sent to the owner, and the
    next job gets a fresh handler: what raised may have left the old one in any state.
    """

    def receive() -> Any:
        try:
            return connection.recv()
        except (EOFError, OSError) as error:
            raise _OwnerGone from error

    def send(event: Event[None, Any, Any]) -> None:
        try:
            connection.send(event)
        except OSError as error:
            raise _OwnerGone from error

    def ask(content: Any) -> Any:
        send(Question(-1, None, content))
        return receive()

    try:
        make_handler: Callable[[], Handler[Any, Any, Any, Any]] = pickle.loads(receive())
        handler: Handler[Any, Any, Any, Any] | None = None
        while True:
            job = receive()
            try:
                handler = handler or make_handler()
                outcome: Event[None, Any, Any] = Result(-1, None, handler.run(job, ask))
            except _OwnerGone:
                raise
            except Exception as error:  # noqa: BLE001 - the owner decides what it means
                outcome = Failure(-1, None, repr(error), "".join(traceback.format_exception(error)))
                _close(handler)
                handler = None
            send(outcome)
    except _OwnerGone:
        return


def _close(handler: Handler[Any, Any, Any, Any] | None) -> None:
    """Closes a handler after a crash; a broken one may well fail to close, which changes nothing."""
    if handler is None:
        return
    try:
        handler.close()
    except Exception:  # noqa: BLE001 - drivers raise anything
        traceback.print_exc()


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    serve(Connection(int(sys.argv[2])))
    # Not by the interpreter's end: renderers and physics at exit may hang, and nothing is left to save.
    os._exit(0)
