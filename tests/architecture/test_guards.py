"""No door of the product runs code from a file: the calls that would are looked for in every syntax tree.

Each rule names what is forbidden and the one file, if any, where it is the guarded door itself. Names are followed
through imports and aliases (`import pickle as p`, `from torch import load as l`), not looked for as text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "benchmarks" / "doctor" / "programs"  # scripts as users write them, and run by name
SOURCES = [
    path
    for folder in ("src", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.is_relative_to(PROGRAMS)
]

# what is forbidden (a module with all in it, or one function) -> files where it is the door
FORBIDDEN = {
    "pickle": (),
    "_pickle": (),
    "cPickle": (),
    "dill": (),
    "cloudpickle": (),
    "joblib": (),
    "marshal": (),
    "shelve": (),
    "jsonpickle": (),
    "code": (),
    "codeop": (),
    "runpy": ("benchmarks/doctor/verify.py",),  # runs our own programs
    "pandas.read_pickle": (),
    "builtins.eval": (),
    "builtins.exec": ("core/program.py",),
    "builtins.compile": ("core/program.py",),
    "builtins.__import__": (),
    "os.system": (),
    "os.popen": (),
    "os.startfile": (),
    "subprocess.getoutput": (),
    "subprocess.getstatusoutput": (),
    "pty": (),
    "torch.load": ("runtime/weights.py",),
    "torch.serialization.load": (),
    "torch.jit.load": (),
    "torch.export.load": ("exporting/_torch_export.py", "benchmarks/export.py"),  # what they have just written
    "torch.package": (),
    "torch.hub": (),
    "torch.save": ("runtime/weights.py",),  # a sample in memory, to warm the guarded child up
    "torch.utils.model_zoo": (),
    "torch.serialization.add_safe_globals": (),
    "torch.serialization.safe_globals": (),
    "torch.distributed.checkpoint.FileSystemReader": (),
    "torch.distributed.checkpoint.FileSystemWriter": (),
    "torch.distributed.checkpoint.filesystem": (),
    "yaml.load": (),
    "yaml.load_all": (),
    "yaml.full_load": (),
    "yaml.unsafe_load": (),
    "yaml.safe_load": (),
    "yaml.Loader": (),
    "yaml.UnsafeLoader": (),
    "yaml.FullLoader": (),
    "yaml.parse": ("core/strict_yaml.py",),
    "PIL.Image.open": ("data/_open_image.py",),
    "matplotlib.pyplot.imread": (),
    "matplotlib.image.imread": (),
    "imageio": (),
    "cv2": (),
    "tarfile": (
        "data/cifar10.py",  # reads members one by one, and extracts none
        "data/_tar_members.py",  # likewise
        "benchmarks/shards.py",  # writes some
    ),
    "shutil.unpack_archive": (),
    "xml": (),
    "importlib.import_module": (
        "core/lazy.py",
        "core/registry.py",
        "core/child.py",
        "core/own_process.py",
        "cli/__init__.py",
        "benchmarks/doctor/verify.py",
    ),
    "jinja2.Template": (),
}
METHODS = {
    "extract",
    "extractall",
    "FileSystemReader",
    "FileSystemWriter",
    "from_pretrained",
    "read_pickle",
    "load_state_dict_from_url",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
# a keyword that opens a door, with the value that keeps it shut
KEYWORDS = {"shell": False, "allow_pickle": False, "weights_only": True}


def imports(tree: ast.AST) -> dict[str, str]:
    """Local name -> full name, for everything the file imports."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return known


def full_name(node: ast.expr, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return known.get(node.id, f"builtins.{node.id}" if node.id in BUILTINS else None)
    if isinstance(node, ast.Attribute):
        outer = full_name(node.value, known)
        return f"{outer}.{node.attr}" if outer else None
    return None


def used(tree: ast.AST, known: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Everything a file imports or names, by full name, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Store):
            name = full_name(node, known)
            if name:
                yield name, node.lineno


def findings(source: str, file: str) -> set[str]:
    """What breaks a rule in one file (its path below the package)."""
    tree = ast.parse(source)
    known, found = imports(tree), set()
    for name, line in used(tree, known):
        parts = name.split(".")
        for forbidden in {".".join(parts[: n + 1]) for n in range(len(parts))} & FORBIDDEN.keys():
            if file not in FORBIDDEN[forbidden]:
                found.add(f"{file}:{line} {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            found.add(f"{file}:{node.lineno} .{node.attr}")
        if isinstance(node, ast.Call):
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            for name, safe in KEYWORDS.items():
                value = keywords.get(name)
                if value is not None and not (isinstance(value, ast.Constant) and value.value is safe):
                    found.add(f"{file}:{node.lineno} {name} is not {safe}")
            if full_name(node.func, known) == "torch.load" and "weights_only" not in keywords:
                found.add(f"{file}:{node.lineno} torch.load without weights_only")
    return found


def below(path: Path) -> str:
    package = ROOT / "src/chainrule"
    return str(path.relative_to(package if path.is_relative_to(package) else ROOT))


def test_no_file_opens_a_door_that_is_not_guarded() -> None:
    assert len(SOURCES) > 50
    found = set().union(*(findings(path.read_text(), below(path)) for path in SOURCES))
    assert sorted(found) == []


def test_every_guarded_door_is_there() -> None:
    """An exception for a file that no longer needs it would be a hole."""
    for forbidden, doors in FORBIDDEN.items():
        for door in doors:
            source = (ROOT / ("" if door.startswith("benchmarks/") else "src/chainrule") / door).read_text()
            tree = ast.parse(source)
            names = {name for name, _ in used(tree, imports(tree))}
            assert any(name == forbidden or name.startswith(forbidden + ".") for name in names), (forbidden, door)


BAD = [
    "import pickle",
    "import pickle as p\np.load(f)",
    "from pickle import loads",
    "from pickle import loads as harmless",
    "import _pickle",
    "def f():\n    import dill",
    "eval('1')",
    "f = eval",
    "exec(text)",
    "compile(a, b, 'exec')",
    "__import__('os')",
    "import torch\ntorch.load(f, weights_only=True)",
    "import torch as t\nt.load(f)",
    "from torch import load as read\nread(f)",
    "from torch import jit\njit.load(f)",
    "import torch\ntorch.hub.load('a', 'b')",
    "from torch import hub",
    "import torch.hub",
    "import torch.distributed.checkpoint as dcp\ndcp.FileSystemReader(p)",
    "from torch.distributed.checkpoint import FileSystemWriter",
    "from torch.distributed.checkpoint.filesystem import x",
    "import yaml\nyaml.load(f, Loader=yaml.SafeLoader)",
    "import yaml\nyaml.parse(f)",
    "from yaml import full_load",
    "from PIL import Image\nImage.open(f)",
    "import PIL.Image\nPIL.Image.open(f)",
    "from PIL import Image as I\nI.open(f)",
    "archive.extractall(p)",
    "import tarfile",
    "from shutil import unpack_archive",
    "import subprocess\nsubprocess.run(c, shell=True)",
    "import subprocess\nsubprocess.run(c, shell=flag)",
    "import os\nos.system(c)",
    "from os import popen",
    "import numpy as np\nnp.load(f, allow_pickle=True)",
    "import numpy as np\nnp.load(f, allow_pickle=flag)",
    "from importlib import import_module\nimport_module(name)",
    "anything.f(weights_only=False)",
]
GOOD = [
    "model.eval()",
    "import re\nre.compile('x')",
    "import torch\ntorch.compile(m)",
    "import ast\nast.literal_eval('1')",
    "import pickletools",
    "import subprocess\nsubprocess.run(['a'], shell=False)",
    "import json\njson.load(f)",
    "self.load(x)\nself.exec(x)\nopen(f)",
    "from PIL import Image\nImage.fromarray(a)",
    "text = 'pickle.load(f) and torch.load(f)'  # eval(x)",
    "import numpy as np\nnp.load(f, allow_pickle=False)",
]


@pytest.mark.parametrize("source", BAD)
def test_the_rules_see(source: str) -> None:
    assert findings(source, "models/lenet.py")


@pytest.mark.parametrize("source", GOOD)
def test_the_rules_leave_alone(source: str) -> None:
    assert findings(source, "models/lenet.py") == set()


def test_the_door_itself_needs_its_bolt() -> None:
    assert findings("import torch\ntorch.load(f, weights_only=True)", "runtime/weights.py") == set()
    assert findings("import torch\ntorch.load(f)", "runtime/weights.py")
    assert findings("import torch\ntorch.load(f, weights_only=False)", "runtime/weights.py")


def test_nothing_that_needs_unpickling_is_shipped() -> None:
    endings = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy", ".npz", ".joblib", ".onnx", ".h5", ".so", ".pyc"}
    shipped = [path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [str(path) for path in shipped if path.suffix in endings] == []
