"""Networks of the package timm, where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from torch import nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.models._checks import check_image


def from_timm(name: str) -> Callable[[tuple[int, ...], int], nn.Module]:
    """Return the builder `(shape, classes) -> network` of a name in timm; the weights are drawn, none are fetched.

    Args:
        name: What `timm.create_model` calls it, such as "resnet18". In a recipe: `model: {name: "timm:resnet18"}`.

    Raises:
        RecipeError: timm is not installed, or has no network of this name; when building: it cannot be built.

    Departures:
        Not tried with timm itself: tests put a module in its place that has its functions `create_model`,
        `is_model` and `list_models`. Names that make timm fetch or read something (`hf-hub:...`, `local-dir:...`) are
        refused.
    """
    timm = _timm()
    if ":" in name or "/" in name or not timm.is_model(name):
        listed = [known for known in timm.list_models() if isinstance(known, str)]
        raise RecipeError(f'timm has no network "{name}"', remedy=unknown("network of timm", name, listed))

    def build(shape: tuple[int, ...], classes: int) -> nn.Module:
        check_image(shape, 1, "networks of timm take images")
        try:
            network = timm.create_model(name, pretrained=False, in_chans=shape[0], num_classes=classes)
        except Exception as error:  # another package's code can fail in any way
            why = " ".join(str(error).split())
            raise RecipeError(f'timm cannot build "{name}": {type(error).__name__}: {why}') from error
        if not isinstance(network, nn.Module):
            raise RecipeError(f'timm\'s "{name}" is no network', got=type(network).__name__)
        return network

    return build


def _timm() -> ModuleType:
    try:
        import timm  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise RecipeError(
            "networks named timm:NAME need the package timm", got=str(error), remedy="pip install timm"
        ) from error
    return timm
