"""Processes of one run: how they find each other, and the few things they must agree on."""

import atexit
import logging
import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import jax
import numpy as np
from jax._src import distributed as _jax_processes  # nothing public has the store of names
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree
from rsd_jax.distributed.last_words import LastWords
from rsd_jax.distributed.signs_of_life import SECONDS_UNTIL_LOST, SECONDS_UNTIL_STUCK, SignsOfLife

logger = logging.getLogger(__name__)

_SLURM_NUMBERS = ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
_SLURM_NODES = ("SLURM_STEP_NODELIST",)
"""What JAX reads of the environment of a step's task."""

_SECONDS_UNTIL_ALONE = 10.0
"""For which a process that has failed waits for the others to have failed in the same way."""

_WITHOUT_SLURM = (
    "start every task with srun, which sets them all; give --coordinator, --num_processes and --process_id instead; "
    "or unset SLURM_STEP_NUM_TASKS for a run of one process"
)


class ProcessesNotJoined(ConnectionError):
    """The processes of a run did not find each other."""


_signs_of_life: SignsOfLife | None = None
"""Of this process, where there are several."""


def initialise(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    peer_timeout: float | None = None,
) -> None:
    """Joins the processes of a run; never falls back to a local run once more than one process was asked for.

    In this order: the arguments or the variables ``RSD_COORDINATOR`` (host:port), ``RSD_NUM_PROCESSES`` and
    ``RSD_PROCESS_ID``; a SLURM step of more than one task; else a local run, said in the log. Call it before anything
    touches a device. From then on the processes watch each other: one that has died, stopped or failed is named, and
    the others end (`signs_of_life`), `peer_timeout` seconds after its last sign (or ``RSD_PEER_TIMEOUT``; 10).

    Raises:
        ValueError: a coordinator without the number or the id of the processes, these without a coordinator, numbers
            that do not fit, or a scheduler's variables that are not all there.
        ProcessesNotJoined: the other processes were not reached.
    """
    coordinator = os.environ.get("RSD_COORDINATOR") if coordinator is None else coordinator
    num_processes = _integer("RSD_NUM_PROCESSES", num_processes)
    process_id = _integer("RSD_PROCESS_ID", process_id)
    values = {"RSD_COORDINATOR": coordinator, "RSD_NUM_PROCESSES": num_processes, "RSD_PROCESS_ID": process_id}
    limit = _peer_timeout(peer_timeout)
    given = [name for name, value in values.items() if value is not None]
    if given:
        if missing := [name for name in values if name not in given]:
            raise ValueError(
                f"{', '.join(given)} given without {', '.join(missing)}; a run of several processes needs all three, "
                "as variables or as the flags --coordinator=HOST:PORT --num_processes=N --process_id=I"
            )
        assert coordinator is not None
        assert num_processes is not None
        assert process_id is not None
        _check_address("RSD_COORDINATOR", coordinator)
        _check_place("RSD_PROCESS_ID", process_id, "RSD_NUM_PROCESSES", num_processes)
        _join(limit, coordinator, num_processes, process_id)
    elif (_integer("SLURM_STEP_NUM_TASKS") or 1) > 1:
        _check_slurm()
        _join(limit, cluster_detection_method="slurm", **_slurm_devices())
    else:
        logger.info("no coordinator and no scheduler with several tasks: running as one local process")
        return
    logger.info("process %d of %d, %d devices", jax.process_index(), jax.process_count(), jax.device_count())


def _join(limit: float, *arguments: Any, **options: Any) -> None:
    global _signs_of_life
    stuck_limit = max(limit, SECONDS_UNTIL_STUCK)
    try:
        # JAX's own watch, which names nobody, comes after ours.
        options |= {"heartbeat_timeout_seconds": math.ceil(stuck_limit) + 15}
        jax.distributed.initialize(*arguments, **options)
    except RuntimeError as error:
        raise ProcessesNotJoined(
            f"the processes of this run did not find each other: {error}; all of them must be started, within 5 "
            "minutes and with the same coordinator, whose port must be free on its host and open to the others"
        ) from error
    store = _jax_processes.global_state.client
    if store is not None and jax.process_count() > 1:
        place = jax.process_index(), jax.process_count()
        address = _jax_processes.global_state.coordinator_address
        last_words = LastWords(address) if address is not None and jax.process_index() > 0 else None
        _signs_of_life = SignsOfLife(store, *place, limit, stuck_limit, last_words=last_words)
        atexit.register(_signs_of_life.say_goodbye)


def _check_slurm() -> None:
    """Raises ValueError unless all is there, and fits, that JAX reads of a SLURM step."""
    missing = [name for name in _SLURM_NUMBERS + _SLURM_NODES if not os.environ.get(name)]
    if missing:
        raise ValueError(
            f"SLURM_STEP_NUM_TASKS={os.environ['SLURM_STEP_NUM_TASKS']} says that this is one of several tasks, but "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set; {_WITHOUT_SLURM}"
        )
    numbers = {name: _integer(name) for name in _SLURM_NUMBERS}
    tasks, place, step = numbers["SLURM_NTASKS"], numbers["SLURM_PROCID"], _integer("SLURM_STEP_NUM_TASKS")
    if tasks != step:
        raise ValueError(f"SLURM_NTASKS={tasks} and SLURM_STEP_NUM_TASKS={step} must be equal; {_WITHOUT_SLURM}")
    assert place is not None
    assert tasks is not None
    _check_place("SLURM_PROCID", place, "SLURM_NTASKS", tasks)
    if address := os.environ.get("JAX_COORDINATOR_ADDRESS"):  # which JAX prefers to the step's first node
        _check_address("JAX_COORDINATOR_ADDRESS", address)
    _integer("JAX_COORDINATOR_PORT")


def _slurm_devices() -> dict[str, list[int]]:
    """What JAX is told of the devices of a step's task: all that it sees belong to the only task of a node.

    Left to itself, JAX gives each task the one GPU of its number on the node, however many there are.
    """
    is_alone = os.environ.get("SLURM_STEP_NUM_NODES") == os.environ["SLURM_STEP_NUM_TASKS"]
    return {"local_device_ids": []} if is_alone else {}


def _check_address(name: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"{name} must be HOST:PORT of process 0, for example node1:29500, got {address!r}")


def _check_place(place_name: str, place: int, count_name: str, count: int) -> None:
    if not 0 <= place < count:
        raise ValueError(f"{place_name} counts from 0 and must be below {count_name}={count}, got {place}")


def _integer(name: str, argument: int | None = None) -> int | None:
    if argument is not None:
        return argument
    text = os.environ.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} must be a non-negative integer, got {text!r}")
    return int(text)


def _peer_timeout(argument: float | None) -> float:
    text = os.environ.get("RSD_PEER_TIMEOUT", str(SECONDS_UNTIL_LOST)) if argument is None else str(argument)
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 1 <= limit < math.inf:
        raise ValueError(f"RSD_PEER_TIMEOUT (--peer_timeout) must be at least 1 second, got {text!r}")
    return limit


def is_primary() -> bool:
    """Whether this process writes the files that exist once a run."""
    return jax.process_index() == 0


class OtherProcessFailed(ValueError):
    """Another process of the run could not do its part; its own message says why."""


@contextmanager
def all_or_none(what: str) -> Iterator[None]:
    """A block that every process runs, and that fails in all of them if it fails in one. Not to be nested.

    All wait at its end for each other's outcome, where a barrier inside would be waited at for ever.

    Args:
        what: is being done, for the message.

    Raises:
        Exception: that of this process's own block.
        OtherProcessFailed: another process's block failed.
    """
    try:
        yield
    except Exception:
        _failing_processes(failed=True)
        raise
    if failing := _failing_processes(failed=False):
        raise OtherProcessFailed(f"{what} failed in process {', '.join(map(str, failing))}, whose message says why")


def leave(error: BaseException | None = None) -> None:
    """Leaves the run, when all processes do; what still waits in the background for one that has failed gives up.

    After an `error` of this process alone the others end too, and name it.
    """
    if _signs_of_life is None:
        return
    _signs_of_life.say_goodbye(error)
    lost = None if error is None else _signs_of_life.wait_for_others(_SECONDS_UNTIL_ALONE)
    for name in (lost or {}).values():
        logger.error("%s has given no sign of life since; it is probably what this process fails for", name)
    _signs_of_life.dismiss_last_words()
    if lost is None:
        jax.distributed.shutdown()
        return
    atexit.register(os._exit, 1)  # JAX would wait for the others at the exit of this process


@contextmanager
def leaving_together() -> Iterator[None]:
    """A block behind which this process leaves the run; the others learn of an error that ends it."""
    try:
        yield
    except SystemExit:  # which all processes raise
        leave()
        raise
    except BaseException as error:
        leave(error)
        raise


@contextmanager
def taking_steps() -> Iterator[None]:
    """A block of steps that are taken together: a process that does nothing there and waits for nobody is stuck."""
    with nullcontext() if _signs_of_life is None else _signs_of_life.taking_steps():
        yield


@contextmanager
def waiting() -> Iterator[None]:
    """A block in which this process may wait for the others, or for devices that do."""
    with nullcontext() if _signs_of_life is None else _signs_of_life.waiting():
        yield


def everywhere(holds: bool) -> bool:
    """Whether `holds` in every process; the same answer in all of them."""
    return holds if jax.process_count() == 1 else bool(_flags(holds).all())


def _failing_processes(failed: bool) -> list[int]:
    if jax.process_count() == 1:
        return [0] if failed else []
    return np.flatnonzero(_flags(failed)).tolist()


def _flags(own: bool) -> NDArray[np.bool_]:
    """Every process's flag, by process."""
    with waiting():
        return np.asarray(multihost_utils.process_allgather(np.asarray(own)))


def from_primary(value: float) -> float:
    """The primary process's `value`, in every process: decisions that all must take alike rest on it."""
    # As two words: without x64, JAX would round the float64 to float32 on its way.
    words = np.asarray([value], np.float64).view(np.uint32)
    with waiting():
        return float(np.asarray(multihost_utils.broadcast_one_to_all(words)).view(np.float64)[0])


def fetch(tree: PyTree) -> PyTree:
    """Arrays whole in this process's memory, as NumPy's; for results, and what is as small.

    Of arrays that are split over processes every process gets all, so all must call it alike.
    """
    return jax.device_get(jax.tree.map(_addressable, tree))


def _addressable(array: Any) -> Any:
    is_split = isinstance(array, jax.Array) and not array.is_fully_addressable
    return multihost_utils.process_allgather(array, tiled=True) if is_split else array


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Places host arrays, equal in all processes, whole on every device of the mesh. What lies there, stays."""
    sharding = NamedSharding(mesh, PartitionSpec())

    def place(array: Any) -> jax.Array:
        if isinstance(array, jax.Array) and isinstance(array.sharding, NamedSharding) and array.sharding.mesh == mesh:
            return array
        return jax.make_array_from_process_local_data(sharding, np.asarray(array), np.shape(array))

    return jax.tree.map(place, tree)


class TerminationSignal:
    """Notes SIGTERM, with which schedulers announce the end, as long as the context is open."""

    def __init__(self) -> None:
        self._received = False
        self._previous: Callable[[int, FrameType | None], Any] | int | None = signal.SIG_DFL

    def __enter__(self) -> "TerminationSignal":
        self._previous = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGTERM, self._previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = True

    def received(self, synchronise: bool) -> bool:
        """Whether to stop, the same answer in every process.

        Args:
            synchronise: ask the other processes too, which costs a round trip; the argument must be alike in all
                processes. A single process answers at once.
        """
        if jax.process_count() == 1:
            return self._received
        return synchronise and bool(_flags(self._received).any())
