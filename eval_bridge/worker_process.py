"""Program of a worker: ``python -m eval_bridge.worker_process FILE_DESCRIPTOR``, started by `WorkerPool`."""

import os
import sys
from multiprocessing.connection import Connection

from eval_bridge.worker_pool import serve

if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
    # Not by the interpreter's end: renderers and physics at exit may hang, and nothing is left to save.
    os._exit(0)
