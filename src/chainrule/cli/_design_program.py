"""`chainrule design` of what is built: a registered model, a run, or a module of one's own."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.cli.answer import Answer

if TYPE_CHECKING:
    from torch import nn

    from chainrule.analysis.design import NetworkDesign

REMEDY = "--input 1x3x224x224 (torch's shape; several by comma; :int64 for indices)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that layers in the notation do not need."""
    group = parser.add_argument_group("networks that are built (models, runs, FILE.py:NAME)")
    group.add_argument("--input", metavar="SHAPES", help="such as 1x3x224x224, 1x16:int64 (known for models and runs)")
    group.add_argument("--optimizer", default="adam", metavar="NAME", help="whose memory is counted (adam)")
    group.add_argument("--object", type=int, metavar="PIXELS", help="size of what is to be recognized, for warnings")
    group.add_argument("--all", action="store_true", help="show every row: repeated blocks are folded otherwise")
    group.add_argument("--field", metavar="LAYER[@ROW,COLUMN]", help="draw what one unit sees: -o FILE, over --image")
    group.add_argument("--image", type=Path, metavar="FILE", help="the picture that --field is drawn over")
    group.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the network as a graph")
    group.add_argument(
        "--signal",
        nargs="?",
        const="digits",
        metavar="DATA",
        help="spread of activations and gradients per layer at the start, on a data set (digits)",
    )
    group.add_argument("--init", metavar="SCHEME", help="draw the weights anew for --signal: he, xavier, 0.01, ...")
    group.add_argument("-o", "--out", type=Path, metavar="FILE", help="write the picture: .html, .svg or .png")


class Chosen(NamedTuple):
    """A network, what it is called with, and what it is called."""

    network: nn.Module
    inputs: list[Any]
    name: str


def run(args: argparse.Namespace) -> Answer:
    """Make the table of a network, draw it, draw what a unit sees, or measure its signal.

    Raises:
        UsageError: There is no such network, or it does not take its input.
    """
    if args.signal is not None:
        from chainrule.cli import _design_signal

        return _design_signal.run(args)
    found = designed(args)
    if args.strict and (lost := next((w for w in found.warnings if "never reads" in w), None)):
        from chainrule.core.errors import UsageError

        raise UsageError(lost, remedy="choose a size that divides, or leave out --strict")
    if args.field is not None or args.plot is not None:
        from chainrule.cli import _design_pictures

        return _design_pictures.run(args, found)
    if args.csv:
        return Answer(found.as_dict(), found.as_csv().rstrip("\n"))
    from chainrule.cli._design_rows import network_shown

    return Answer(found.as_dict(), network_shown(found, fold=not args.all))


def designed(args: argparse.Namespace) -> NetworkDesign:
    """Find the network and make its table, without data where that can be."""
    from chainrule.analysis.design import design_network
    from chainrule.core.errors import ChainruleError

    def of(chosen: Chosen) -> NetworkDesign:
        return design_network(
            chosen.network, chosen.inputs, optimizer=args.optimizer, object_size=args.object, name=chosen.name
        )

    try:
        return of(choose(args, bare=True))
    except ChainruleError:
        raise
    except Exception:
        chosen = choose(args, bare=False)  # what fails without data may need them
    try:
        return of(chosen)
    except ChainruleError:
        raise
    except Exception as error:
        raise _theirs(args, chosen, error) from error


def choose(args: argparse.Namespace, *, bare: bool) -> Chosen:
    """The network that the words name.

    Raises:
        UsageError: There is none, or its input is not known.
    """
    from chainrule.tasks._design import named_network

    text, settings = " ".join(args.spec), dict(getattr(args, "settings", None) or {})
    options = {key.removeprefix("model."): value for key, value in settings.items() if key.startswith("model.")}
    _require_known(settings)
    if ".py:" in text or text.endswith(".py"):
        return _own(text, args.input, options, bare=bare)
    shapes = _shapes(args.input)
    named = named_network(text, shapes[0].shape[1:] if shapes else None, options, bare=bare)
    return Chosen(named.network, _filled(args.input or f"1x{'x'.join(map(str, named.shape))}"), named.name)


def _require_known(settings: Mapping[str, Any]) -> None:
    from chainrule.core.errors import UsageError

    for key in settings:
        if not key.startswith("model.") and key != "train.seed":
            raise UsageError(f"--{key} says nothing about a network", expected="--model.OPTION VALUE")


def _own(text: str, shapes: str | None, options: Mapping[str, Any], *, bare: bool) -> Chosen:
    from torch import nn

    from chainrule.analysis.design import without_data
    from chainrule.core.errors import UsageError
    from chainrule.core.own_inputs import own_inputs
    from chainrule.core.program import load_program, parse_target, their_failure

    target = parse_target(text)
    if len(target.names) > 1:
        raise UsageError("one network at a time can be designed", got=", ".join(target.names))
    program = load_program(target)
    network, name = program.objects[0], target.names[0]
    if not isinstance(network, nn.Module):
        if not callable(network):
            raise UsageError(f'"{name}" is no network', expected="an nn.Module, its class, or what builds one")
        try:
            if bare:
                with without_data():
                    network = network(**options)
            else:
                network = network(**options)
        except Exception as error:
            if bare:
                raise
            raise their_failure(program.path, error) from error
    if not isinstance(network, nn.Module):
        raise UsageError(f'"{name}" builds no network', expected="an nn.Module", got=type(network).__name__)
    given = _filled(shapes) if shapes is not None else own_inputs(vars(program.module), name, network)
    if given is None:
        raise UsageError(f'the input of "{name}" is not known', remedy=REMEDY)
    return Chosen(network, given, name)


def _shapes(text: str | None) -> list[Any]:
    from chainrule.core.shapes import parse_shapes

    return [] if text is None else parse_shapes(text)


def _filled(text: str) -> list[Any]:
    """Zeros of the shapes; they cost no memory before somebody writes into them."""
    import torch

    from chainrule.core.shapes import parse_shapes

    return [torch.zeros(shape, dtype=getattr(torch, dtype or "float32")) for shape, dtype in parse_shapes(text)]


def _theirs(args: argparse.Namespace, chosen: Chosen, error: Exception) -> Exception:
    """What a network raised on its input, as an error of the user's."""
    from chainrule.core.errors import UsageError
    from chainrule.core.program import parse_target, their_failure

    text = " ".join(args.spec)
    if ".py:" in text:
        return their_failure(parse_target(text).path, error)
    first = (str(error).splitlines() or [type(error).__name__])[0]
    given = ", ".join("x".join(map(str, getattr(value, "shape", ()))) for value in chosen.inputs)
    return UsageError(f"{chosen.name} does not take its input: {first}", got=given, remedy=REMEDY)
