"""Loads every hostile pickle in one way, under watch, and prints what came of each; run by `test_weights_hostile.py`.

live     the plain pickle module, in a forked child: the payloads must be able to do harm
read     `read_weights` on every file
inner    `torch.load(weights_only=True)` of the guarded child, without the two walls before it
doors    the plain pickle module behind the closed doors of the guarded child, without any other wall
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import signal
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hostile_pickles
import torch

from chainrule.core.child import close_doors
from chainrule.core.errors import WeightsError
from chainrule.runtime.weights import guarded_reader, read_weights, write_weights

SAFE = {"sys._getframe", "object.__getattr__", "builtins.id", "os.listdir", "os.scandir"}
# modules that payloads name, so that the doors meet the calls and not only the imports
LOADED = """
    argparse cProfile ctypes functools importlib itertools logging marshal operator profile runpy shutil socket sqlite3
    subprocess tarfile threading timeit torch.utils.collect_env urllib.request zipfile gzip numpy
"""


def forked(act: Callable[[], object]) -> str:
    """What became of an act in a child: "returned", "raised ...", "barred ..." or the signal."""
    end, start = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)

        def say(what: str) -> NoReturn:
            os.write(start, what.encode(errors="replace"))
            os._exit(0)

        signal.alarm(20)
        try:
            act_result = act_in(act, say)
        except BaseException as error:
            say(f"raised {type(error).__name__}: {str(error)[:150]}")
        say(f"returned {type(act_result).__name__}")
    os.close(start)
    with open(end, "rb") as pipe:
        said = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said or f"ended with {status}"


def act_in(act: Callable[[], object], say: Callable[[str], NoReturn]) -> object:
    global barred
    barred = lambda what: say(f"barred {what}")  # noqa: E731
    return act()


barred: Callable[[str], NoReturn]


def archive_of(data: bytes) -> bytes:
    path = Path("inner.pth")
    members = [("archive/data.pkl", data), ("archive/version", b"3\n"), ("archive/data/0", bytes(4))]
    hostile_pickles.archive(path, [*members, ("archive/byteorder", b"little")])
    return path.read_bytes()


def benign() -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(1)}, buffer)
    with zipfile.ZipFile(buffer) as file:
        return file.read("archive/data.pkl")


def read_all(payloads: list[hostile_pickles.Payload], folder: Path) -> list[dict[str, object]]:
    """`read_weights` on each payload as an archive, and on one of them in every kind of file."""
    files: dict[str, hostile_pickles.Writer] = {
        f"shape-{i}.pth": lambda p, data=payload.data: p.write_bytes(archive_of(data))  # type: ignore[misc]
        for i, payload in enumerate(payloads)
    }
    files |= {f"bare-{i}.pth": lambda p, data=payload.data: p.write_bytes(data) for i, payload in enumerate(payloads)}  # type: ignore[misc]
    files |= hostile_pickles.wrapped(payloads[0].data, benign(), folder)
    for name, write in files.items():
        write(folder / name)
    write_weights(folder / "fine", {"w": torch.ones(1)})
    read_weights(folder / "fine")
    (folder / "fine.pth").write_bytes(b"PK\x03\x04")
    for warm in ("fine.pth", "shape-0.pth"):
        with contextlib.suppress(WeightsError):
            read_weights(folder / warm)
    events: list[str] = []
    watching = False

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        reading = (
            event == "open"
            and isinstance(arguments[2], int)
            and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if watching and not reading and event not in SAFE:
            events.append(f"{event} {str(arguments)[:100]}")

    sys.addaudithook(watch)
    results = []
    for name in [*files, "distributed/.metadata"]:
        events.clear()
        watching = True
        try:
            found = read_weights(folder / name)
            said = f"returned {sorted(found)}"
        except BaseException as error:
            said = f"raised {type(error).__name__}: {error}"
        watching = False
        results.append({"name": name, "said": said, "events": list(events), "canary": os.path.lexists("canary")})
    return results


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    os.chdir(folder)
    sys.path.append(str(folder))
    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    canary = str(folder / "canary")
    payloads = [*hostile_pickles.calls(canary, folder), *hostile_pickles.shapes(canary)]
    if mode == "read":
        print(json.dumps(read_all(payloads, folder)))
        return
    for module in LOADED.split():
        __import__(module)
    reader = guarded_reader()

    def load(data: bytes) -> object:
        if mode == "live":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return pickle.loads(data)
        close_doors(256 << 20, 5, lambda what: barred(what))
        return reader(b"null\n" + archive_of_inner[data]) if mode == "inner" else pickle.loads(data)

    archive_of_inner = {payload.data: archive_of(payload.data) for payload in payloads} if mode == "inner" else {}
    results = []
    for payload in payloads:
        if os.path.lexists(canary):
            os.rmdir(canary) if os.path.isdir(canary) and not os.path.islink(canary) else os.unlink(canary)
        said = forked(lambda data=payload.data: load(data))  # type: ignore[misc]
        results.append({"name": payload.name, "live": payload.live, "said": said, "canary": os.path.lexists(canary)})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
