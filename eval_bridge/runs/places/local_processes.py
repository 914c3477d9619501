"""Several processes of one command on this machine, as they would run on as many hosts."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TextIO

from eval_bridge.runs.stop_request import StopRequest

SECONDS_TO_FOLLOW = 10.0
"""In which the others may end by themselves behind the first that has failed: they save, or say who is lost."""

SECONDS_TO_OBEY = 30.0
"""Between SIGTERM and SIGKILL."""

_SECONDS_BETWEEN_LOOKS = 0.1


def run_processes(command: Sequence[str], count: int, terminal: TextIO, stop: StopRequest) -> int:
    """Runs `count` processes of `command` to their end; the first that fails ends all.

    Each finds the others by the variables of `rsd_jax.distributed.hosts`, and sees its part of the GPUs. What they say
    comes out line by line, each with its process in front.

    Args:
        command: program and arguments, the same for all.
        count: of the processes.
        terminal: where to show what they say.
        stop: passes SIGTERM and Ctrl-C on to all of them, as SIGTERM.

    Returns:
        0, or the exit status of the first that failed, as shells report it.

    Raises:
        ValueError: there is no such number of processes, or they cannot share the GPUs evenly.
    """
    if count < 1:
        raise ValueError(f"the number of processes must be at least 1, got {count}")
    shares = _gpu_shares(visible_gpus(os.environ), count)
    address = f"localhost:{_free_port()}"
    with ExitStack() as running:
        processes = []
        for index in range(count):
            variables = {
                "RSD_COORDINATOR": address,
                "RSD_NUM_PROCESSES": str(count),
                "RSD_PROCESS_ID": str(index),
                **shares[index],
            }
            process = running.enter_context(
                subprocess.Popen(
                    command,
                    env={**os.environ, **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    # Or a terminal's Ctrl-C would reach them as SIGINT, at which training saves nothing.
                    process_group=0,
                )
            )
            assert process.stdout is not None
            shown = threading.Thread(target=_show, args=(process.stdout, f"[{index}] ", terminal), daemon=True)
            shown.start()
            running.callback(shown.join)
            running.callback(_end, [process], 0.0)
            running.enter_context(stop.caring_for(process))
            processes.append(process)
        return _wait(processes, terminal, stop)


def _wait(processes: Sequence[subprocess.Popen[bytes]], terminal: TextIO, stop: StopRequest) -> int:
    began = time.monotonic()
    while True:
        statuses = [process.poll() for process in processes]
        failed = [index for index, status in enumerate(statuses) if status]
        if failed or None not in statuses:
            break
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if not failed:
        return 0
    first = failed[0]
    status = processes[first].returncode
    if stop.number is None:
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with exit status {status}"
        seconds = time.monotonic() - began
        terminal.write(f"process {first} of {len(processes)} {how} after {seconds:.0f} s; all others are ended\n")
        terminal.flush()
    _end(processes, SECONDS_TO_FOLLOW if stop.number is None else float("inf"))
    return 128 - status if status < 0 else status


def _end(processes: Sequence[subprocess.Popen[bytes]], patience: float) -> None:
    """Ends processes and all that they have started, politely first, after `patience` seconds."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, SECONDS_TO_OBEY)):
        until = time.monotonic() + seconds
        while any(process.poll() is None for process in processes) and time.monotonic() < until:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, number)
    for process in processes:
        process.wait()


def _show(stream: IO[bytes], prefix: str, terminal: TextIO) -> None:
    rest = b""
    while chunk := stream.read1(4096):  # type: ignore[attr-defined]  # a pipe's reader is a BufferedReader
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in [line for line in lines if line.strip()]:
            terminal.write(f"{prefix}{line.decode(errors='replace').rstrip()}\n")
        terminal.flush()
    if rest.strip():
        terminal.write(f"{prefix}{rest.decode(errors='replace').rstrip()}\n")
        terminal.flush()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """The NVIDIA GPUs that a process would see, as CUDA names them."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        return [name for name in environment["CUDA_VISIBLE_DEVICES"].split(",") if name.strip()]
    numbers = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
    return sorted((number for number in numbers if number.isdecimal()), key=int)


def _gpu_shares(gpus: Sequence[str], count: int) -> list[dict[str, str]]:
    """What each process has to be told, so that it sees as many GPUs as any other."""
    if not gpus:
        return [{}] * count
    if len(gpus) % count:
        raise ValueError(
            f"{count} processes cannot share {len(gpus)} GPUs evenly; start a number that divides it, or set "
            "CUDA_VISIBLE_DEVICES to as many as they shall use (none: JAX_PLATFORMS=cpu, CUDA_VISIBLE_DEVICES=)"
        )
    each = len(gpus) // count
    return [{"CUDA_VISIBLE_DEVICES": ",".join(gpus[each * index : each * (index + 1)])} for index in range(count)]
