"""A graph of ONNX in numbers of 8 bits, by onnxruntime's own quantization, and what that costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.draw.wording import bytes_text
from chainrule.exporting._compared import Agreement, Answers, Right, compare, counted, measure, part_to_measure
from chainrule.exporting._graph import TOGETHER, Graph, batches
from chainrule.exporting._torch_export import quiet

CALIBRATION = 256
"""Training examples that show how large the numbers between layers become."""
PRODUCTS = ("Conv", "Gemm", "MatMul")
"""Operations that are computed in 8 bits."""
PASSED = ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool", "Relu")
"""Operations between them that keep numbers of 8 bits as they are, so that a network of convolutions stays in them."""
RECURRENT = ("LSTM", "GRU", "RNN")
SECONDS = 0.3
"""How long each time is measured."""


@dataclass(frozen=True)
class Quantized:
    """What a graph of 8 bits costs and saves beside that in float32.

    Args:
        how: What was rounded, and how.
        unit: What one input is called.
        bytes: Of the files, float32 and int8.
        milliseconds: Number of inputs -> of one call, float32 and int8, on this machine, in one process.
        threads: That computed.
        part: Of the data, on which both were measured in full; None where the data are not there.
        right: How often both are right there.
        agreement: How int8 answers beside the run's network, where that was asked for.
    """

    how: str
    unit: str
    bytes: tuple[int, int]
    milliseconds: dict[int, tuple[float, float]]
    threads: int
    part: str | None
    right: tuple[Right, Right] | None
    agreement: Agreement | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        found = asdict(self)
        found["milliseconds"] = {str(key): list(value) for key, value in self.milliseconds.items()}
        found["agreement"] = None if self.agreement is None else self.agreement.as_dict()
        return found

    def said(self) -> tuple[str, ...]:
        """Return the same for a reader."""
        lines = [f"int8: {self.how}"]
        if self.agreement is not None:
            lines += self.agreement.said("int8")
        if self.right is None:
            lines.append("its accuracy was not measured: the data of the run are not there")
        else:
            whole, small = self.right
            lines.append(
                f"accuracy on the {self.part} part, {counted(whole.rows, 'answer')}: {whole.accuracy:.2%} in float32, "
                f"{small.accuracy:.2%} in int8 ({100 * (small.accuracy - whole.accuracy):+.2f} points); "
                f"-log p {whole.loss:.4f} and {small.loss:.4f}"
            )
        times = "; ".join(
            f"{counted(number, self.unit)} {whole:.2f} ms and {small:.2f} ms"
            for number, (whole, small) in self.milliseconds.items()
        )
        sizes = " and ".join(map(bytes_text, self.bytes))
        lines.append(f"float32 and int8: {sizes}; {times} (threads: {self.threads}, this machine)")
        return tuple(lines)


def quantized(
    graph: Graph, path: Path, small: Path, opened: Callable[[Path], Answers], groups: Sequence[Tensor]
) -> Quantized:
    """Write a graph in numbers of 8 bits, and measure both.

    Networks of convolutions are rounded by scales that training examples were seen to need (static). Where numbers
    between layers differ much from input to input, in attention and recurrent and fully connected layers, the scale of
    each is taken when it comes (dynamic), and weights alone are rounded beforehand.

    Args:
        graph: What of the run became a graph.
        path: It in float32.
        small: What is written.
        opened: Opens either.
        groups: Inputs that are compared with the answers of the run's network; none: they are not.

    Raises:
        UsageError: There is nothing in it that onnxruntime rounds.
        DataError: Scales need training examples, which are not there.

    Source:
        Jacob et al. 2018, section 2; onnxruntime, Quantize ONNX models.
    """
    how = _write(graph, path, small)
    whole, rounded = opened(path), opened(small)
    part, right = _measured(graph, whole, rounded)
    times = {}
    for number in (1, TOGETHER):
        given = graph.example()[:1].repeat_interleave(number, 0)
        times[number] = (milliseconds(whole, given), milliseconds(rounded, given))
    return Quantized(
        how,
        graph.unit,
        (path.stat().st_size, small.stat().st_size),
        times,
        torch.get_num_threads(),
        part,
        right,
        compare(graph, rounded, groups) if groups else None,
    )


def milliseconds(answers: Callable[[Tensor], Any], given: Tensor) -> float:
    """Return the median time of a call, over `SECONDS` and at least five calls.

    Args:
        answers: What is called.
        given: With what.
    """
    answers(given)
    found: list[float] = []
    while len(found) < 5 or sum(found) < SECONDS:
        begun = time.perf_counter()
        answers(given)
        found.append(time.perf_counter() - begun)
    return 1000 * statistics.median(found)


def _measured(graph: Graph, whole: Answers, rounded: Answers) -> tuple[str | None, tuple[Right, Right] | None]:
    try:
        part = part_to_measure(graph.parts())
        examples = graph.examples(part)
    except DataError:
        return None, None
    return part, (measure(whole, examples), measure(rounded, examples))


def _write(graph: Graph, path: Path, small: Path) -> str:
    """Round, and say how."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, quiet():
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        nodes = list(onnx.load(str(prepared)).graph.node)
        kinds = Counter(node.op_type for node in nodes)
        static = kinds["Conv"] and kinds["Softmax"] == 1 and not any(kinds[kind] for kind in RECURRENT)
        if static:
            how = _static(graph, prepared, small, nodes)
        else:
            quantize_dynamic(
                str(prepared),
                str(small),
                op_types_to_quantize=["MatMul", "Gemm", "Gather", "LSTM"],
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
            how = "dynamic: weights rounded beforehand, for each column by its own scale, inputs as they come"
        found = onnx.load(str(small)).graph.initializer
        if not any(one.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) and one.dims for one in found):
            raise UsageError(
                "there is nothing in this network that onnxruntime rounds to 8 bits",
                expected="fully connected layers, convolutions, LSTMs or embeddings",
                remedy="leave --quantization out",
            )
    return how


def _static(graph: Graph, prepared: Path, small: Path, nodes: Sequence[Any]) -> str:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    if "train" not in graph.parts():
        raise DataError("int8 of convolutions needs training examples for its scales", got="no training part")
    examples = graph.examples("train")
    number = min(CALIBRATION, len(examples))

    class Reader(CalibrationDataReader):
        """The training examples, a group at a time, as onnxruntime asks for them."""

        def __init__(self) -> None:
            self.given: Iterator[tuple[Tensor, Tensor]] = batches(examples, number)

        def get_next(self) -> dict[str, Any] | None:
            return next(({graph.input: given.contiguous().numpy()} for given, _ in self.given), None)

    quantize_static(
        str(prepared),
        str(small),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=[*PRODUCTS, *PASSED],
        nodes_to_exclude=_before_products(nodes),
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return (
        f"static: scales of the numbers between layers from {counted(number, graph.unit)} of the training part, "
        "weights for each filter by its own scale, in 7 of the 8 bits, so that no processor's sums overflow"
    )


def _before_products(nodes: Sequence[Any]) -> list[str]:
    """Names of the operations that no product comes before: the preprocessing, which stays as it is."""
    after: set[str] = set()
    names = []
    for node in nodes:  # in the order in which they are computed
        if node.op_type in PRODUCTS or any(name in after for name in node.input):
            after.update(node.output)
        else:
            names.append(node.name)
    return names
