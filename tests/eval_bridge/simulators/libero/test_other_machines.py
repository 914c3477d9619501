"""LIBERO on machines of other people: the first to use it is somebody else, and little can be written."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[4]

# Arguments: packages, then folders that must stay where they are. In a mount namespace: nothing outlives it.
MACHINE = """
set -e
packages=$1; python=$2; program=$3; shift 3
mount -t tmpfs none /mnt
mkdir /mnt/tmp
mount --rbind /tmp /mnt/tmp
mount -t tmpfs -o mode=1777 none /tmp
for folder in "$@"; do
    case $folder in /tmp/*) mkdir -p "$folder"; mount --bind "/mnt$folder" "$folder" ;; esac
done
mount --bind "$packages" "$packages"
mount -o remount,bind,ro "$packages"
mount --bind /dev/null /etc/passwd
if [ -e /etc/nsswitch.conf ]; then echo "passwd: files" > /mnt/users; mount --bind /mnt/users /etc/nsswitch.conf; fi
echo "somebody else's" > /tmp/robosuite.log
chmod 444 /tmp/robosuite.log
echo ready
exec setpriv --bounding-set=-all --inh-caps=-all env -u HOME "$python" -B -c "$program"
"""

PROGRAM = """
import json, os
from pathlib import Path
try:
    raise AssertionError(f"the home is {Path.home()}")
except RuntimeError:
    pass  # as it shall be
from eval_bridge.simulators.libero.task_files import initial_states_file, task_definition
before = set(os.listdir("/tmp"))
files = [task_definition("libero_goal", 0), initial_states_file("libero_goal", 0)]
from libero.libero.envs.objects import hope_objects
if os.environ["MUJOCO_GL"] == "egl":
    from robosuite.renderers.context.egl_context import create_initialized_egl_device_display
    assert create_initialized_egl_device_display(-1)
print(json.dumps({
    "files": [str(file) for file in files if file.is_file()],
    "assets": str(hope_objects.absolute_path),
    "log": Path("/tmp/robosuite.log").read_text(),
    "new": sorted(set(os.listdir("/tmp")) - before),
    "cuda": os.environ["CUDA_VISIBLE_DEVICES"],
    "compiled": os.environ.get("NUMBA_CACHE_DIR"),
}))
"""


@pytest.mark.libero
def test_libero_needs_no_home_nothing_of_other_users_and_no_writable_packages(tmp_path):
    """All at once: no user of that name, read-only packages, another LIBERO's folders, a graphics card by its UUID."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        pytest.skip("util-linux's unshare and setpriv are not there")
    other = tmp_path / "other"
    other.mkdir()
    folders = {name: str(other / name) for name in ("benchmark_root", "bddl_files", "init_states", "assets")}
    (other / "config.yaml").write_text(json.dumps(folders))
    packages = Path(str(importlib.util.find_spec("robosuite").origin)).resolve().parents[1]
    stay = [PROJECT, Path(sys.prefix), tmp_path, *([packages] if packages.is_relative_to("/tmp") else [])]
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    arguments = [packages, sys.executable, PROGRAM, *stay]
    unset = ("RSD_JAX_CONFIRMED_RENDERER", "MPLCONFIGDIR", "MESA_SHADER_CACHE_DIR", "NUMBA_CACHE_DIR", "TMPDIR")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"LIBERO_CONFIG_PATH": str(other), "CUDA_VISIBLE_DEVICES": "GPU-5ab1"}
    process = subprocess.run(
        [*namespace, "sh", "-c", MACHINE, "machine", *map(str, arguments)],
        cwd=PROJECT,
        env=environment | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if not process.stdout.startswith("ready\n"):
        pytest.skip(f"no mount namespace here: {process.stderr.strip()}")
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout.splitlines()[1])
    assert len(found["files"]) == 2
    assert all(Path(path).resolve().is_relative_to(packages) for path in [*found["files"], found["assets"]])
    assert found["log"] == "somebody else's\n"
    assert found["new"] == ["rsd_jax_caches_0"]
    assert found["compiled"] == "/tmp/rsd_jax_caches_0/numba"
    assert found["cuda"] == "GPU-5ab1"
    assert process.stderr.count(f"{other}/config.yaml is not followed") == 1
