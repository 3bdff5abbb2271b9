"""Handing the network of a run to other programs, with a comparison of what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.exporting._export import Exported as Exported
    from chainrule.exporting._export import Outcome as Outcome
    from chainrule.exporting._export import Sample as Sample
    from chainrule.exporting._export import export_run as export_run

__getattr__, __dir__, __all__ = lazy(
    __name__, {"Exported": "_export", "Outcome": "_export", "Sample": "_export", "export_run": "_export"}
)

EXPORTS = Registry(
    "export form",
    [
        ("safetensors", Entry("chainrule.exporting._safetensors:safetensors", "the weights, and lines that load them")),
        (
            "torch-export",
            Entry(
                "chainrule.exporting._torch_export:torch_export",
                "one graph from pictures or tokens to probabilities, which torch alone runs",
            ),
        ),
        (
            "onnx",
            Entry("chainrule.exporting._onnx:onnx", "the same graph for onnxruntime and others; int8 as an option"),
        ),
        (
            "ctranslate2",
            Entry(
                "chainrule.exporting._ctranslate2:ctranslate2", "translating transformers for the engine CTranslate2"
            ),
        ),
    ],
)
"""`(run, network, empty folder, sample, **options) -> Outcome`: fills the folder and compares the outputs."""

GRAPHS = Registry(
    "task",
    [
        ("classify", Entry("chainrule.exporting._picture_graph:PictureGraph", "pictures -> classes")),
        ("classify-text", Entry("chainrule.exporting._text_graph:text_graph", "tokens -> classes")),
        ("language", Entry("chainrule.exporting._language_graph:language_graph", "tokens -> the token after each")),
        ("masked", Entry("chainrule.exporting._masked_graph:masked_graph", "tokens -> the token at each place")),
    ],
)
"""Task -> what of its runs becomes one graph: `(run, network) -> Graph`."""
