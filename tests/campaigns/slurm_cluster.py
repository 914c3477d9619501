"""A SLURM of several nodes on one machine: munge, a controller, and a daemon for every node.

Needs root and Debian's packages: ``apt-get install slurm-wlm munge``. No service of the machine is touched: everything
lies in a folder of its own, and ends with the block.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
_SECONDS_TO_START = 60.0

_CONFIGURATION = """
ClusterName=one_machine
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
# Also the seconds that a requeued job waits; SLURM's own are 120.
AuthInfo=socket={folder}/munge.socket,cred_expire=15
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MinJobAge=86400
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
# The first process of a training is found by its node's name: addresses need no entry in /etc/hosts.
NodeName=127.0.0.[1-{nodes}] NodeAddr=127.0.0.[1-{nodes}] NodeHostname={host} Port={ports} CPUs={cores}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextlib.contextmanager
def slurm_cluster(folder: Path, nodes: int = 2) -> Iterator[None]:
    """Runs a cluster as long as the block does; ``SLURM_CONF`` lets the commands of this process find it.

    Args:
        folder: for its files; it must not exist.
        nodes: each has the cores of this machine.

    Raises:
        RuntimeError: a program is missing, this is not root, or the nodes do not come up.
    """
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise RuntimeError(f"{', '.join(missing)} not found: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        raise RuntimeError("daemons that start jobs need root")
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    controller_port, *ports = _free_ports(1 + nodes)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname().partition(".")[0],
            controller_port=controller_port,
            ports=",".join(map(str, ports)),
            nodes=nodes,
            cores=os.cpu_count(),
        )
    )
    munge = [f"--{name}={folder}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    daemons = [
        ["munged", "--foreground", "--force", f"--key-file={key}", *munge],
        ["slurmctld", "-D"],
        *(["slurmd", "-D", "-N", f"127.0.0.{number + 1}"] for number in range(nodes)),
    ]
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(configuration)
    with contextlib.ExitStack() as running:
        running.callback(_restore, before)
        for daemon in daemons:
            running.enter_context(_daemon(daemon, folder))
            time.sleep(1.0)
        _wait_for_nodes(nodes, folder)
        running.callback(subprocess.run, ["scancel", "--user=root", "--full"], check=False)
        yield


def slurm_version() -> str:
    """Of the commands that are installed."""
    return subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


@contextlib.contextmanager
def _daemon(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "daemons.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_nodes(nodes: int, folder: Path) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until:
        states = subprocess.run(["sinfo", "-h", "-N", "-o", "%T"], capture_output=True, text=True, check=False).stdout
        if states.split() == ["idle"] * nodes:
            return
        time.sleep(0.5)
    logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.log")))
    raise RuntimeError(f"the nodes of SLURM did not come up:\n{logs}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [int(free.getsockname()[1]) for free in sockets]


def _restore(before: str | None) -> None:
    if before is None:
        del os.environ["SLURM_CONF"]
    else:
        os.environ["SLURM_CONF"] = before
