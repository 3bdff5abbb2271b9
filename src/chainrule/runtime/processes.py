"""Several processes that share a step, over torch.distributed: what one of them knows and does.

A launcher (`chainrule train RECIPE --processes N`, or `torchrun`) starts them and says in the environment who is who.
They meet through a store that process 0 holds, and add up over gloo (CPU) or NCCL (graphics processors).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from chainrule.core.errors import ChainruleError, DistributedError, UsageError
from chainrule.runtime.heartbeat import Heartbeat
from chainrule.runtime.launched import LOOPBACK
from chainrule.runtime.world import World

T = TypeVar("T")
SECONDS = 120.0
"""How long a process waits for the others."""


@contextmanager
def joined(*, shard: int = 1, device: str = "cpu", seconds: float = SECONDS) -> Iterator[World]:
    """Yield the world of this process, which a launcher started as one of several.

    Args:
        shard: Over how many processes the weights and the optimizer's state are laid out; 1: each process has all.
        device: "cpu" or "cuda".
        seconds: How long a process waits for the others before it gives up.

    Raises:
        DistributedError: The others do not come.
        UsageError: The processes cannot be divided into groups of `shard`.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if size % shard:
        raise UsageError("the processes cannot be divided", expected=f"a number that {shard} divides", got=size)
    store = _store(rank, size, seconds)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    place = torch.device("cpu") if device == "cpu" else torch.device(device, local)
    if place.type != "cpu":
        torch.accelerator.set_device_index(local)
    try:
        dist.init_process_group(
            "gloo" if place.type == "cpu" else "cpu:gloo,cuda:nccl",
            store=PrefixStore("group", store),
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=seconds),
        )
    except (RuntimeError, dist.DistError) as error:
        raise DistributedError(
            "the processes did not come together", got=_first_line(error), remedy="start all of them anew"
        ) from None
    with Heartbeat(store, rank, size, seconds) as heartbeat:
        try:
            yield Processes(rank, size, place, shard, heartbeat)
        finally:
            dist.destroy_process_group()


class Processes:
    """One of several processes that share a step."""

    def __init__(self, rank: int, size: int, device: torch.device, shard: int, heartbeat: Heartbeat) -> None:
        self.rank, self.size, self.device, self.shard = rank, size, device, shard
        self.devices: list[int] = [] if device.type == "cpu" else [device.index or 0]
        self.heartbeat, self.store = heartbeat, heartbeat.store
        self._first = 0
        self._mesh: DeviceMesh | None = None

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """Return sums over processes, by name; the names are the same in all."""
        names = sorted(values)
        total = torch.tensor([values[name] for name in names], dtype=torch.float64)
        with self.told():
            dist.all_reduce(total)
        return dict(zip(names, total.tolist()))

    def sum_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors over processes, in place, as one message for each type of number."""
        for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
            some = [tensor for tensor in tensors if tensor.dtype == kind]
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in some])
            with self.told():
                dist.all_reduce(flat)
            with torch.no_grad():
                for tensor, total in zip(some, flat.split([tensor.numel() for tensor in some])):
                    tensor.copy_(total.view(tensor.shape))

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Sum gradients over processes, in place; those of weights that are laid out have been summed already."""
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.sum_tensors([p.grad for p in parameters if p.grad is not None and not isinstance(p, DTensor)])

    def largest(self, value: int) -> int:
        """Return the largest of the processes' numbers."""
        found = torch.tensor(value, dtype=torch.int64)
        with self.told():
            dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return int(found)

    def gather(self, value: T) -> list[T]:
        """Return the value of each process, in the order of their ranks."""
        found: list[Any] = [None] * self.size
        with self.told():
            dist.all_gather_object(found, value)
        return found

    def first(self, work: Callable[[], T]) -> T:
        """Let process 0 do something, and return in all what came out; an error of ours is raised in all."""
        self._first += 1
        key = f"first {self._first}"
        given: list[Any] = [None, None]
        if self.rank == 0:
            given = self._done(work)
            with self.told():
                self.store.set(key, "done")
        with self.told():  # it can take long, and no sum is waited for: process 0 only has to be alive
            while not self.heartbeat.ask(lambda store: store.check([key])):
                if self.heartbeat.silent(0) > self.heartbeat.seconds:
                    raise self.heartbeat.stuck()
                time.sleep(0.02)
            dist.broadcast_object_list(given, src=0)
        found, wrong = given
        if wrong is not None:
            wrong.told = self.rank > 0  # process 0 says it
            raise wrong
        return found

    def _done(self, work: Callable[[], Any]) -> list[Any]:
        """What came out of it, and the error of ours in its place."""
        try:
            return [work(), None]
        except ChainruleError as error:
            return [None, error]

    def spread(self, model: nn.Module) -> None:
        """Lay out a network over groups of `shard` processes; every group has the whole of it."""
        if self.shard > 1:
            from chainrule.runtime.sharding import shard_over

            shard_over(model, self.mesh)

    @property
    def mesh(self) -> DeviceMesh:
        """The processes as groups (rows) of which each has the whole network."""
        if self._mesh is None:
            groups = self.size // self.shard
            with self.told():
                if groups == 1:
                    self._mesh = init_device_mesh(self.device.type, (self.shard,), mesh_dim_names=("shard",))
                else:
                    names = ("replicate", "shard")
                    self._mesh = init_device_mesh(self.device.type, (groups, self.shard), mesh_dim_names=names)
        return self._mesh

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors whole that are laid out over the processes; all of them call it, with the same names."""
        with self.told():
            return {name: t.full_tensor() if isinstance(t, DTensor) else t for name, t in tensors.items()}

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell that another process is gone or stuck, and which.

        Raises:
            DistributedError: So it is.
        """
        self.heartbeat.beat()
        try:
            yield
        except (RuntimeError, dist.DistError) as error:
            text = str(error)
            if "imed out" in text or "timeout" in text:
                raise self.heartbeat.stuck() from None
            if any(sign in text for sign in ("Connection", "connection", "peer", "gloo", "NCCL", "ProcessGroup")):
                raise DistributedError(
                    "another process has ended, and with it this step",
                    got=_first_line(error),
                    remedy="what it said stands above; `chainrule resume` goes on from the last checkpoint",
                ) from None
            raise


def _store(rank: int, size: int, seconds: float) -> Store:
    """The store in which the processes of this start meet."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    here = os.environ.get("LOCAL_WORLD_SIZE") == str(size)
    if here:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    limit = timedelta(seconds=seconds)
    attempt = f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    try:
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":  # torchrun holds it
            store = TCPStore(address, port, size, False, limit)
        elif rank == 0:
            listening = socket.create_server((LOOPBACK if here else address, port), backlog=max(64, size))
            store = TCPStore(
                address, port, size, True, limit, wait_for_workers=False, master_listen_fd=listening.detach()
            )
        else:
            store = TCPStore(address, port, size, False, limit, wait_for_workers=False)
    except (RuntimeError, OSError, dist.DistError) as error:
        raise DistributedError(
            f"process {rank} cannot meet the others at {address}, port {port}",
            got=_first_line(error),
            remedy="is process 0 running, and can its address be reached from here?",
        ) from None
    return PrefixStore(attempt, store)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
