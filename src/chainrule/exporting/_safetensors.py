"""The weights of a run in the format that nearly everything reads, and what is needed to use them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.plain import to_json
from chainrule.core.recipe import ImageRecipe
from chainrule.core.store import write_file
from chainrule.core.version import __version__
from chainrule.exporting._export import Outcome, Sample
from chainrule.exporting._modules_as_code import module_code
from chainrule.exporting._programs import picture_function
from chainrule.runtime.weights import read_weights, write_weights
from chainrule.tasks.images._processing import ImageProcessing
from chainrule.tasks.runs._run import Run

COPIED = ("recipe", "processing")
"""Files of a run that an export has as well."""
README = """\
The weights of the run {name}, written by `chainrule export`.

model.safetensors  {tensors} tensors, {numbers:,} numbers; read by safetensors of any language, and runs nothing
config.json        the network: its name, all its options, its input, what it was trained for
recipe.yaml        how it was trained; processing.json: what is done to an input before the network sees it
load.py            {loads}

The folder is also one that chainrule opens: `chainrule predict FOLDER ...`, or Run.open(FOLDER).model().
{tied}"""
WITH_TORCH = '''\
"""The trained network, with torch and safetensors alone:     (pip install torch safetensors{more})

    from load import network{names}
"""

from collections import OrderedDict
from pathlib import Path
{imports}
from safetensors.torch import load_file
from torch import nn

FOLDER = Path(__file__).parent
network = {code}
network.load_state_dict(load_file(FOLDER / "model.safetensors"))
network.eval()
{pictures}'''
PICTURES = '''

{picture}

STORED = json.loads((FOLDER / "processing.json").read_text(encoding="utf-8"))
CLASSES = STORED["classes"]
MEAN, DEVIATION = (torch.tensor(STORED["normalization"][name], dtype=torch.float64) for name in ("mean", "deviation"))


def inputs(pictures):
    """Pictures as numbers of 8 bits (N, H, W, C) -> what the network is given."""
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return x * (1 / (DEVIATION * 255)).float() + (-MEAN / DEVIATION).float()


def probabilities(*paths):
    """The probabilities of the classes for picture files, (N, K)."""
    given = inputs([picture(path) for path in paths])
    with torch.inference_mode():
        {answer}
'''
WITH_CHAINRULE = '''\
"""The trained network:     (pip install chainrule)

    from load import network

Its layers are written in chainrule, whose code this reads.{own}
"""

from pathlib import Path

from chainrule import Run

network = Run.open(Path(__file__).parent).model({module})
'''


def safetensors(run: Run, model: nn.Module, folder: Path, sample: Sample) -> Outcome:
    """Write the weights with the network's configuration, the processing, and lines that load them; read them back.

    Args:
        run: Of any task.
        model: Its network.
        folder: Empty.
        sample: Nothing is compared but the weights.

    Raises:
        UsageError: Inputs to compare on are given.
        CheckpointError: What was written cannot be read back as it was.

    Source:
        https://huggingface.co/docs/safetensors.
    """
    if sample.file is not None:
        raise UsageError(
            "safetensors has weights, and answers nothing that could be compared", remedy="leave --compare out"
        )
    weights = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    tied, recipe = shared_names(model), run.recipe.to_yaml().encode()
    facts = {
        "format": "pt",
        "chainrule": __version__,
        "task": run.recipe.task,
        "model": run.recipe.model.name,
        "recipe_sha256": hashlib.sha256(recipe).hexdigest(),
        "tied": json.dumps(tied),
    }
    write_weights(folder / "model.safetensors", weights, facts)
    made = RunFolder(folder)
    write_file(made.recipe, recipe)
    made.write_json(made.processing, run.processing)
    made.write_json(made.info_file, {**run.info, "command": None})
    program = run.path / "program.py"
    if program.is_file():
        write_file(folder / "program.py", program.read_bytes())
    write_file(folder / "config.json", to_json(config(run, tied)))
    code, plain = load_program(run, model)
    write_file(folder / "load.py", code.encode())
    text = README.format(
        name=run.path.resolve().name,
        tensors=len(weights),
        numbers=sum(value.numel() for value in weights.values()),
        loads="the network with torch and safetensors alone" if plain else "the network, which needs chainrule",
        tied="".join(f"\n{name} is {first}: both names hold the same numbers." for name, first in tied.items()),
    )
    write_file(folder / "README.txt", text.encode())
    back = read_weights(folder / "model.safetensors")
    same = back.keys() == weights.keys() and all(_equal_bits(back[name], weights[name]) for name in weights)
    said = f"{len(weights):,} tensors were read back: {'equal in all bits' if same else 'they are others'}"
    needs = "torch and safetensors" if plain else "chainrule"
    return Outcome(
        {"tensors": len(weights), "tied": tied, "loads_with": needs, "equal": same},
        (said, f"load.py makes the network with {needs}"),
        same,
    )


def shared_names(model: nn.Module) -> dict[str, str]:
    """Return the names of tensors that are another one of the network, each with the first name of that.

    Example:
        >>> model = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
        >>> model["b"].weight = model["a"].weight
        >>> shared_names(model)
        {'b.weight': 'a.weight'}
    """
    first: dict[int, str] = {}
    found = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if isinstance(value, Tensor) and first.setdefault(id(value), name) != name:
            found[name] = first[id(value)]
    return found


def config(run: Run, tied: Mapping[str, str]) -> dict[str, Any]:
    """Return what the network is, as plain data.

    Args:
        run: Of any task.
        tied: As `shared_names` returns it.
    """
    model = run.recipe.model.model_dump()
    found: dict[str, Any] = {"task": run.recipe.task, "model": model, "chainrule": __version__, "tied": dict(tied)}
    if isinstance(run.recipe, ImageRecipe):
        processing = ImageProcessing.read(run.processing)
        found |= {"input_shape": list(processing.input_shape), "flip": run.recipe.predict.flip}
    if "classes" in run.processing:
        found["classes"] = list(run.processing["classes"])
    return found


def load_program(run: Run, model: nn.Module) -> tuple[str, bool]:
    """Return a program that makes the network with its weights, and whether it does so without chainrule."""
    code = module_code(model)
    if code is None or not isinstance(run.recipe, ImageRecipe):
        own = run.info.get("program")
        named = "" if own is None else f"\nThe network is one's own: {own['file']}:{','.join(own['names'])}; give it."
        return WITH_CHAINRULE.format(own=named, module="" if own is None else "module=...  # your network"), False
    processing = ImageProcessing.read(run.processing)
    pictures = ""
    if not processing.features and processing.shape[0] in (1, 3):
        once = "network(given)"
        mirrored = "(network(given) + network(given.flip(3))) / 2"
        answer = f"return torch.softmax({mirrored if run.recipe.predict.flip else once}, dim=1)"
        pictures = PICTURES.format(picture=picture_function(processing), answer=answer)
    text = WITH_TORCH.format(
        code=code,
        pictures=pictures,
        more=" pillow numpy" if pictures else "",
        names=", probabilities" if pictures else "",
        imports="\nimport numpy as np\nimport torch\nfrom PIL import Image, ImageOps" if pictures else "",
    )
    return (text.replace("from collections", "import json\nfrom collections", 1) if pictures else text), True


def _equal_bits(one: Tensor, other: Tensor) -> bool:
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and torch.equal(one.flatten().view(torch.uint8), other.detach().flatten().view(torch.uint8))
    )
