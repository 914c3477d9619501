"""Processes that work for another one, and never outlive it."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # of Linux's <sys/prctl.h>


def end_with(owner: int) -> None:
    """Has the kernel end this process as soon as its owner has ended, killed or not, whatever this process is doing.

    The kernel goes by the owner's thread that started this process: owners start workers in a thread that outlives
    them.

    Args:
        owner: process that started this one.

    Raises:
        OSError: the kernel cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"a worker cannot be tied to its owner: {os.strerror(number)}")
    if os.getppid() != owner:  # it ended before it was watched
        os._exit(1)


def begin_work_for(owner: int) -> None:
    """First of all in a worker of a pool of the standard library: `end_with`, and Ctrl-C is left to the owner.

    Ctrl-C reaches all processes of a terminal; the owner ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(owner)
