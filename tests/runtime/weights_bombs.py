"""Small files that claim or become something huge, with the time and memory of each refusal.

Run by `test_weights_fuzz.py`.
"""

# ruff: noqa: E501 - tables of files

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

from chainrule.core.errors import ChainruleError
from chainrule.runtime.weights import read_weights, write_weights

Make = Callable[[Path], object]
ENTRY = b'{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'


def header(text: bytes, claim: int | None = None) -> Make:
    return lambda path: path.write_bytes((len(text) if claim is None else claim).to_bytes(8, "little") + text)


def sparse(start: bytes, size: int) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(start)
        os.truncate(path, size)

    return make


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", compression) as file, warnings.catch_warnings():
            for name, data in members.items():
                file.writestr(name, data)

    return make


def edited(make: Make, edit: Callable[[bytearray], object]) -> Make:
    def both(path: Path) -> None:
        make(path)
        data = bytearray(path.read_bytes())
        edit(data)
        path.write_bytes(data)

    return both


def central(data: bytearray, offset: int, form: str, value: int) -> None:
    """Change a field of the first entry of the table of contents."""
    struct.pack_into(form, data, data.index(b"PK\x01\x02") + offset, value)


def end(data: bytearray, offset: int, form: str, value: int) -> None:
    struct.pack_into(form, data, data.rindex(b"PK\x05\x06") + offset, value)


def overlapping(path: Path, count: int = 2000, size: int = 1 << 20) -> None:
    """So many more entries in the table of contents for one member."""
    archive({"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(size)})(path)
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    table, close = data[start : data.rindex(b"PK\x05\x06")], bytearray(data[data.rindex(b"PK\x05\x06") :])
    last = table[table.rindex(b"PK\x01\x02") :]
    entry = last[:28] + struct.pack("<H", len(b"archive/data/000000")) + last[30:46]
    whole = table + b"".join(entry + b"archive/data/%06d" % i for i in range(count))
    struct.pack_into("<HHI", close, 8, (count + 2) & 0xFFFF, (count + 2) & 0xFFFF, len(whole))
    path.write_bytes(data[:start] + whole + close)


def good_archive(path: Path) -> None:
    torch.save({"w": torch.zeros(3)}, path)


def directory_claim(path: Path) -> None:
    """A zip64 record that claims a table of contents of 2^40 bytes."""
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 30)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 30, 1)
    close = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(26) + record + locator + close)


def bombs() -> dict[str, Make]:
    many = b"{" + b",".join(b'"%06x":' % i + ENTRY for i in range(100_001)) + b"}"
    million = b"{" + b",".join(b'"%05x":' % i + ENTRY for i in range(1_000_000)) + b"}"
    pickle = {"archive/version": b"3\n"}
    huge = {f"claims 2^{n} bytes of header": header(b"{}", (1 << n) - 1) for n in (27, 31, 32, 40, 63, 64)}
    return huge | {
        "claims a header of 100 MB that is there": sparse((100_000_000).to_bytes(8, "little") + b"{", 100_000_008),
        "two GB of nothing": sparse(b"", 2 << 30),
        "two GB behind a header": sparse((2).to_bytes(8, "little") + b"{}", 2 << 30),
        "eight MB of spaces": header(b"{" + b" " * ((8 << 20) - 1)),
        "too many tensors": header(many),
        "a million tensors": header(million),
        "deep lists": header(b'{"a":' + b"[" * 4_000_000),
        "deep tables": header(b'{"a":' * 1_500_000),
        "a long shape": header(b'{"a":{"dtype":"U8","shape":[' + b"1," * 4_000_000 + b'1],"data_offsets":[0,1]}}'),
        "a huge number": header(b'{"a":{"dtype":"U8","shape":[' + b"9" * 4_000_000 + b'],"data_offsets":[0,1]}}'),
        "a huge float": header(b'{"a":{"dtype":"U8","shape":[1e' + b"9" * 4_000_000 + b'],"data_offsets":[0,1]}}'),
        "a terabyte": header(b'{"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}'),
        "shapes that overflow": header(b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'),
        "a long name": header(b'{"' + b"x" * (7 << 20) + b'":' + ENTRY + b"}"),
        "small tables": header(b'{"a":[' + b"{}," * 2_500_000 + b"{}]}"),
        "small lists": header(b'{"a":[' + b"[]," * 2_500_000 + b"[]]}"),
        "many facts": header(b'{"__metadata__":{' + b",".join(b'"%06d":""' % i for i in range(700_000)) + b"},}"),
        "deflated zeros": archive({"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(100 << 20)}, zipfile.ZIP_DEFLATED),
        "deflated pickle": archive({"archive/data.pkl": b"(" * (50 << 20)}, zipfile.ZIP_DEFLATED),
        "lzma": archive({"archive/data.pkl": bytes(5 << 20)}, zipfile.ZIP_LZMA),
        "bzip2": archive({"archive/data.pkl": bytes(5 << 20)}, zipfile.ZIP_BZIP2),
        "claims a member of 4 GB": edited(good_archive, lambda d: (central(d, 20, "<I", 0xFFFFFFF0), central(d, 24, "<I", 0xFFFFFFF0))),
        "claims a member elsewhere": edited(good_archive, lambda d: central(d, 42, "<I", 0x7FFFFFFF)),
        "claims 65535 members": edited(good_archive, lambda d: (end(d, 8, "<H", 65535), end(d, 10, "<H", 65535))),
        "claims a table of 4 GB": edited(good_archive, lambda d: end(d, 12, "<I", 0xFFFFFFFE)),
        "claims a table of 2^40 bytes": directory_claim,
        "overlapping members": overlapping,
        "too many members": lambda path: overlapping(path, 60_000, 0),
        "a pickle of 9 MB": archive({"archive/data.pkl": b"\x80\x02" + b"(" * (9 << 20), **pickle}),
        "many opcodes": archive({"archive/data.pkl": b"\x80\x02" + b"(" * (7 << 20), **pickle}),
        "a long text": archive({"archive/data.pkl": b"\x80\x02X\xff\xff\xff\xffabc.", **pickle}),
        "a long number": archive({"archive/data.pkl": b"\x80\x02\x8b\xff\xff\xff\x7f1.", **pickle}),
    }  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    write_weights(folder / "warm", {"w": torch.zeros(1)})
    read_weights(folder / "warm")
    results = []
    for i, (name, make) in enumerate(bombs().items()):
        path = folder / f"bomb-{i}"
        child = os.fork()  # so that the memory of each is its own
        if child:
            os.waitpid(child, 0)
            results.append(json.loads((folder / "said").read_text()))
            continue
        if os.fork() == 0:
            make(path)  # nor that of making the file
            os._exit(0)
        os.wait()
        before, start = rss(), time.process_time()
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        try:
            said = f"returned {len(read_weights(path))}"
        except ChainruleError as error:
            said = f"{type(error).__name__}: {error}"
        took = time.process_time() - start
        fact = {
            "name": name,
            "said": said[:300],
            "seconds": took,
            "memory": rss() - before,
            "size": os.stat(path).st_blocks * 512,
        }
        fact["children"] = int(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used > 0.05)
        (folder / "said").write_text(json.dumps(fact))
        path.unlink()
        os._exit(0)
    print(json.dumps(results))


def rss() -> int:
    """The most memory this process has had, in bytes; Linux counts it anew after a fork."""
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
