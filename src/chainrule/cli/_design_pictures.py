"""`chainrule design --plot` and `--field`: the network as a graph, and what one unit sees of a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.cli.answer import Answer

if TYPE_CHECKING:
    from chainrule.analysis.design import NetworkDesign


def run(args: argparse.Namespace, found: NetworkDesign) -> Answer:
    """Write the picture.

    Raises:
        UsageError: The file's ending is none of those that can be written, or the layer or unit is not there.
    """
    return _field(args, found) if args.field is not None else _plot(args.plot, found)


def _plot(path: Path, found: NetworkDesign) -> Answer:
    from chainrule.analysis.design.plot import network_svg
    from chainrule.core.store import write_file

    _require(path, (".svg",), "--plot")
    write_file(path, network_svg(found).encode())
    return Answer({"file": str(path)}, f"the network is drawn in {path}")


def _field(args: argparse.Namespace, found: NetworkDesign) -> Answer:
    from chainrule.analysis.design.overlay import field_png, field_svg, unit_field
    from chainrule.core.errors import UsageError
    from chainrule.core.store import write_file
    from chainrule.data import open_image

    seen = unit_field(found, args.field)
    data = {
        "layer": seen.name,
        "unit": list(seen.unit),
        "input": list(seen.size),
        "box": seen.wide,
        "narrow": seen.narrow,
    }
    if args.out is None:
        return Answer(data, seen.text)
    if args.image is None:
        raise UsageError("there is no picture to draw over", remedy="--image FILE")
    _require(args.out, (".svg", ".png", ".html"), "-o")
    picture = open_image(args.image)
    if args.out.suffix == ".png":
        write_file(args.out, field_png(picture, seen))
    elif args.out.suffix == ".svg":
        write_file(args.out, field_svg(picture, seen).encode())
    else:
        from markupsafe import Markup, escape

        from chainrule.draw import Part, page_html

        body = Markup(field_svg(picture, seen))  # noqa: S704 - made by us, its text escaped
        head = Markup("<h1>{}</h1>").format(escape(found.name))
        write_file(args.out, page_html(found.name, head, [Part("field", "Field", body, seen.text, ("D4",))]).encode())
    return Answer({**data, "file": str(args.out)}, f"{seen.text}\ndrawn in {args.out}")


def _require(path: Path, endings: tuple[str, ...], option: str) -> None:
    from chainrule.core.errors import UsageError

    if path.suffix not in endings:
        raise UsageError(
            f"{path} is no picture that {option} writes", expected=" or ".join(endings), got=path.suffix or "no ending"
        )
