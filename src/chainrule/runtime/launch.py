"""Several processes on this machine that share a training: started, watched, and started anew when one dies."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import uuid
from collections.abc import Sequence

from chainrule.runtime.launched import LAUNCHER, LOOPBACK

SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"
GONE = 8
"""The status of a process that ended because another one did."""


def launch(words: Sequence[str], *, processes: int, restarts: int = 0) -> int:
    """Run `chainrule WORDS` in several processes, which meet on the loopback alone, and return the exit status.

    The work is torch's launcher's, as in `torchrun`. When a process dies, all are ended and started anew; a training
    goes on from its last checkpoint. With torch's own settings that fails more often than not on gloo, since processes
    read the addresses of those before them (pytorch #135712): here each start has a store of its own.

    Args:
        words: The words behind `chainrule`.
        processes: How many.
        restarts: How often they are started anew.

    Returns:
        0; or what a process that failed by itself returned; 8 where one was gone or stuck; 128 + n for signal n.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ[LAUNCHER] = str(os.getpid())
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # who fails says it itself
    with tempfile.TemporaryDirectory(prefix="chainrule-") as place:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint=os.path.join(place, "store"),
            rdzv_configs={"store_type": "file"},  # no port that others could reach
            max_restarts=restarts,
            monitor_interval=0.2,
            local_addr=LOOPBACK,
            signals_to_handle=SIGNALS,
        )
        try:
            elastic_launch(config, sys.executable)("-m", "chainrule", *words)
        except SignalException as stop:
            return 128 + int(stop.sigval)
        except ChildFailedError as failed:
            codes = [failure.exitcode for failure in failed.failures.values()]
            said = [code for code in codes if code > 0]
            return next((code for code in said if code != GONE), GONE if said else 128 - codes[0])
    return 0
