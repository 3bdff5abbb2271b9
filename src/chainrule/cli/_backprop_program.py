"""`chainrule backprop FILE.py:NAME`: the walk-through of a function or network of the user's own."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from torch import Tensor

    from chainrule.analysis.trace import Trace
    from chainrule.core.program import Program

REMEDY = "give their shapes, --input 2x3,3:int64, or write inputs = (...) or a function inputs() into the file"
LOSSES = ("cross_entropy", "mean", "mse", "sum")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that only FILE.py:NAME has."""
    group = parser.add_argument_group("for FILE.py:NAME, a function on tensors, a network or its class")
    group.add_argument(
        "--input", metavar="SHAPES", help="shapes of the inputs, such as 2x3,3:int64 (the file's inputs)"
    )
    group.add_argument("--loss", metavar="NAME", help=f"{', '.join(LOSSES)}, with random targets (ones at each output)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of inputs, targets and new weights (0)")
    group.add_argument("--depth", type=int, metavar="N", help="open modules to this depth and list every row")


def run(args: argparse.Namespace) -> Answer:
    """Walk through what was named.

    Args:
        args: `target` is FILE.py:NAME; `out` a page or picture to write; `step` shows one operation after the other.

    Raises:
        UsageError: It cannot be called; what fails in the user's file is shown as theirs.
    """
    import torch

    from chainrule.analysis.trace import walk_through
    from chainrule.analysis.trace._page import trace_page
    from chainrule.core.errors import UsageError
    from chainrule.core.program import load_program, parse_target
    from chainrule.core.store import write_file

    output = args.out
    _check(args, output)
    target = parse_target(args.target)
    if len(target.names) != 1:
        raise UsageError(f"{args.target} names not one thing", expected="FILE.py:NAME")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(args.seed)
        program = load_program(target)
        with _theirs(program.path):
            thing = _built(program.objects[0], target.names[0])
            inputs = _inputs(program, target.names[0], thing, args.input, args.seed)
            trace = walk_through(thing, *inputs, loss=_loss(args.loss, args.seed))
    data = trace.as_dict()
    if output is not None:
        picture = output.lower().endswith(".svg")
        write_file(output, (trace.svg() if picture else trace_page(trace, command=args.command)).encode())
        data["file"] = output
    if args.step and not args.json:
        _steps(trace)
        return Answer(data)
    return Answer(data, _Shown(trace, args.depth, output))


@dataclass(frozen=True)
class _Shown:
    trace: Trace
    depth: int | None
    output: str | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        from chainrule.analysis.trace._text import trace_text

        yield from trace_text(self.trace, self.depth)
        if self.output is not None:
            yield Text(f"\nwritten: {self.output}")


def _check(args: argparse.Namespace, output: str | None) -> None:
    from chainrule.core.errors import UsageError, unknown

    for option in ("at", "upstream", "wrt", "in_terms_of", "tree", "latex"):
        if getattr(args, option):
            raise UsageError(f"--{option.replace('_', '-')} is for expressions", got=args.target)
    if output is not None and not output.lower().endswith((".html", ".htm", ".svg")):
        raise UsageError("-o names the file to write", expected="a name that ends in .html or .svg", got=output)
    if output is not None and not Path(output).absolute().parent.is_dir():
        raise UsageError(f"there is no folder for {output}", remedy="make it first")
    if not 0 <= args.seed < 2**32:
        raise UsageError("--seed is no seed", expected="0 to 4294967295", got=args.seed)
    if args.depth is not None and args.depth < 0:
        raise UsageError("--depth is no depth", expected="0 or more", got=args.depth)
    if args.loss is not None and args.loss not in LOSSES:
        raise UsageError(f'there is no loss "{args.loss}"', remedy=unknown("loss", args.loss, LOSSES))


@contextmanager
def _theirs(path: Path) -> Iterator[None]:
    """What fails in code of the user's, or within a call of it that is none of ours, is shown as theirs."""
    from chainrule.core.errors import ChainruleError
    from chainrule.core.program import their_failure, without_frames

    try:
        yield
    except (ChainruleError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a file that ends itself must not end us
        ours = Path(__file__).parents[1]
        frames = traceback.extract_tb(error.__traceback__)
        last = Path(frames[-1].filename)
        # The tape calls their function, and torch's: where that fails at once, the trace of the error ends there.
        tapes = ("_record.py", "_recorder.py")
        in_call = (last.name in tapes and frames[-1].name in ("call", "record")) or not last.is_relative_to(ours)
        recorded = any(Path(frame.filename).name in tapes for frame in frames)
        if (recorded and in_call) or any(Path(frame.filename).absolute() == path.absolute() for frame in frames):
            raise their_failure(path, error.with_traceback(without_frames(ours, error.__traceback__))) from error
        raise


def _built(thing: Any, name: str) -> Callable[..., Any]:
    """The thing to call: a class of a module is built without arguments."""

    from torch import nn

    from chainrule.core.errors import UsageError
    from chainrule.core.own_inputs import require_buildable

    if not callable(thing):
        raise UsageError(f'"{name}" is {type(thing).__name__}', expected="a function, a module or a class of one")
    if not isinstance(thing, type):
        return thing
    if not issubclass(thing, nn.Module):
        raise UsageError(f'the class "{name}" is no module', expected="a class of torch.nn.Module")
    require_buildable(thing, name)
    return thing()


def _inputs(program: Program, name: str, thing: Callable[..., Any], text: str | None, seed: int) -> list[Any]:
    """From `--input`, or from the file."""
    from torch import nn

    from chainrule.analysis._drawn import drawn
    from chainrule.core.errors import UsageError
    from chainrule.core.own_inputs import lacking, own_inputs
    from chainrule.core.shapes import parse_shapes

    if text is not None:
        return [drawn(asked, seed + k) for k, asked in enumerate(parse_shapes(text))]
    given = own_inputs(vars(program.module), name, thing)
    if given is None and lacking(thing.forward if isinstance(thing, nn.Module) else thing) != []:
        raise UsageError(f'there are no inputs to call "{name}" with', remedy=REMEDY)
    return given or []


def _loss(name: str | None, seed: int) -> Callable[[Any], Tensor] | None:
    """A loss by name; its targets are drawn."""
    if name is None:
        return None
    import torch
    from torch.nn import functional

    from chainrule.core.errors import UsageError

    def loss(output: Any) -> Tensor:
        scores = output[0] if isinstance(output, tuple | list) and output else output
        if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
            raise UsageError("a loss needs scores", expected="a float tensor", got=type(scores).__name__)
        if name in ("sum", "mean"):
            return scores.sum() if name == "sum" else scores.mean()
        generator = torch.Generator().manual_seed(seed)
        if name == "mse":
            return functional.mse_loss(scores, torch.randn(scores.shape, generator=generator, dtype=scores.dtype))
        if scores.dim() < 2 or not scores.numel():
            raise UsageError("cross_entropy needs scores", expected="(N, K) or more", got=tuple(scores.shape))
        shape = (scores.shape[0], *scores.shape[2:])
        return functional.cross_entropy(scores, torch.randint(scores.shape[1], shape, generator=generator))

    return loss


def _steps(trace: Trace) -> None:
    """Print the walk; a person at a terminal asks for each line."""
    from chainrule.analysis.trace._text import headline, steps_of
    from chainrule.core.paths import visible

    waits = sys.stdin.isatty() and sys.stdout.isatty()
    if waits:
        print("Enter goes on, q shows the rest at once.", file=sys.stderr)
    print(visible(headline(trace)))
    for line in steps_of(trace):
        print(visible(line), flush=True)
        if waits:
            waits = sys.stdin.readline().strip().lower() != "q"
